// The part that the scenarios share: connections that come, talk by the plan, and go.
import exec from 'k6/execution';
import { read } from './options.js';
import { mint } from './token.js';
import { Ledger } from './ledger.js';
import { stamp, readStamp } from './plan.js';
import { Client, now } from './client.js';
import { counts, latency } from './metrics.js';
import { summary } from './summary.js';

// scenario makes what a script exports, of its name, the defaults of its settings, its thresholds, and whether
// its connections may come and go.
export function scenario(name, defaults, thresholds, mayLeave) {
  const set = read(__ENV, defaults);
  const all = set.connectSeconds + set.seconds + set.waitSeconds;
  const exact = mayLeave ? {} : {
    rt_sent: [`count==${set.plan.messages}`],
    rt_acked: [`count==${set.plan.messages}`],
    rt_delivered: [`count==${set.plan.deliveries()}`],
    rt_closed: ['count==0'],
    rt_refused: ['count==0'],
  };
  return {
    options: {
      scenarios: { [name]: { executor: 'per-vu-iterations', vus: set.vus, iterations: 1, maxDuration: `${Math.ceil(all) + 30}s`, gracefulStop: '5s' } },
      summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max', 'count'],
      thresholds: {
        rt_connected: [`count==${set.connections}`],
        rt_lost: ['count==0'], rt_doubled: ['count==0'], rt_disordered: ['count==0'], rt_misdelivered: ['count==0'], rt_errors: ['count==0'],
        ...exact,
        ...thresholds,
      },
    },
    setup: () => Date.now().toString(36),
    run: (id) => run(set, id, all),
    handleSummary: (data) => summary(name, set, data),
  };
}

// run opens this VU's connections; k6 ends the iteration when nothing is left to come.
function run(set, id, all) {
  const begin = set.connectSeconds * 1000;
  const first = (exec.vu.idInTest - 1) * set.perVU;
  for (let c = first; c < Math.min(first + set.perVU, set.connections); c++) talker(set, id, c, begin, all * 1000);
}

// talker is connection c.
function talker(set, id, c, begin, end) {
  const { plan } = set;
  const ledger = new Ledger(plan, c);
  const topic = `k6.${id}.${plan.topic(c)}`;
  const token = set.token || mint(set.secret, `k6-${id}-${c}`, Math.ceil(end / 1000) + 300);
  let missed = false; // messages while it was away, or before it was there
  const client = new Client(set.url, token, plan.messages ? [topic] : [], {
    there: () => {
      if (now() > begin && !missed) {
        missed = true;
        ledger.away();
      }
      waiting.splice(0).forEach(send);
    },
    left: () => { missed = true; ledger.away(); },
    broadcast: ({ payload }) => {
      const s = readStamp(payload);
      const found = s ? ledger.arrived(s) : 'misdelivered';
      counts[found].add(1);
      if (found === 'disordered') counts.delivered.add(1);
      if (s) latency.add(now() - begin - s.due);
    },
  });
  const waiting = []; // numbers of messages that were due while it was away: it sends them when it is back
  const send = (seq) => {
    client.send('Broadcast', { topic, payload: stamp(c, seq, plan.due(c, seq), set.size) }, `${c}.${seq}`);
    counts.sent.add(1);
  };
  const say = (seq) => {
    if (client.there) send(seq);
    else waiting.push(seq);
    next(seq + 1);
  };
  const next = (seq) => {
    if (seq < plan.sentBy(c)) setTimeout(() => say(seq), Math.max(0, begin + plan.due(c, seq) - now()));
  };
  next(0);
  setTimeout(() => {
    counts.lost.add(ledger.lost());
    counts.unsent.add(waiting.length);
    client.end();
  }, Math.max(0, end - now()));
}
