// What the environment says of a run; README.md lists it.
import { Plan } from './plan.js';

// seconds reads 500ms, 30s, 5m, 1h30m.
export function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600 };
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) throw new Error(`${text} is no duration like 30s or 5m`);
  let n = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) n += Number(value) * units[unit];
  return n;
}

// read makes the settings of a run from an environment and a scenario's defaults.
export function read(env, defaults) {
  const text = (name, otherwise) => env[name] || defaults[name] || otherwise;
  const number = (name, otherwise, least) => {
    const n = Number(text(name, otherwise));
    if (!(n >= least)) throw new Error(`${name}: ${env[name]} is not a number of at least ${least}`);
    return n;
  };
  const s = {
    url: text('URL', ''),
    secret: text('JWT_SECRET', ''),
    token: text('TOKEN', ''),
    connections: number('CONNECTIONS', 100, 1),
    perVU: number('SOCKETS_PER_VU', 100, 1),
    group: number('GROUP', 10, 1),
    size: number('SIZE', 128, 32),
    rate: number('RATE', 0, 0),
    seconds: seconds(text('DURATION', '10s')),
    connectSeconds: seconds(text('CONNECT_TIME', '5s')),
    waitSeconds: seconds(text('WAIT', '3s')),
    json: text('JSON', ''),
  };
  if (!s.url) throw new Error('URL says where the service is: ws://host:port/ws');
  if (!s.secret && !s.token) throw new Error('JWT_SECRET signs the tokens, or TOKEN is one');
  if (s.rate > 10000) throw new Error('RATE: a service takes 10,000 messages a second of all clients unless it is told otherwise');
  if (s.rate / s.connections > 100) throw new Error('RATE: a service takes 100 messages a second of one connection unless it is told otherwise');
  if (s.token && s.rate > 500) throw new Error('RATE: a service takes 500 messages a second of one user unless it is told otherwise, and TOKEN is one user');
  s.plan = new Plan(s);
  s.vus = Math.ceil(s.connections / s.perVU);
  return s;
}
