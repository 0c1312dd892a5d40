// The result of a run, with the names of loadtest/load's report where they mean the same.
export function summary(scenario, set, data) {
  const value = (name, stat) => data.metrics[name] && data.metrics[name].values[stat] || 0;
  const trend = (name) => ({
    n: value(name, 'count'), p50_ms: value(name, 'med'), p95_ms: value(name, 'p(95)'), p99_ms: value(name, 'p(99)'), max_ms: value(name, 'max'),
  });
  const report = { scenario, asked: set.connections, connections: value('rt_connected', 'count'), seconds: set.seconds, expected: set.plan.deliveries() };
  for (const name of ['sent', 'unsent', 'acked', 'delivered', 'lost', 'doubled', 'disordered', 'misdelivered', 'errors', 'closed', 'refused', 'draining', 'back', 'resumed']) {
    report[name] = value(`rt_${name}`, 'count');
  }
  report.delivery = trend('rt_latency_ms');
  report.welcome = trend('rt_welcome_ms');
  report.away = trend('rt_away_ms');
  for (const p of ['p50_ms', 'p95_ms', 'p99_ms']) report[p] = report.delivery[p];
  report.failures = [];
  for (const [name, metric] of Object.entries(data.metrics)) {
    for (const [text, t] of Object.entries(metric.thresholds || {})) if (!t.ok) report.failures.push(`${name}: ${text}`);
  }
  const files = { stdout: print(report) };
  if (set.json) files[set.json] = `${JSON.stringify(report, null, 2)}\n`;
  return files;
}

function print(r) {
  const times = (t) => `p50 ${t.p50_ms.toFixed(2)}, p95 ${t.p95_ms.toFixed(2)}, p99 ${t.p99_ms.toFixed(2)}, max ${t.max_ms.toFixed(2)} ms`;
  const rows = [
    ['scenario', `${r.scenario}, ${r.connections} of ${r.asked} connections`],
    ['connect', `welcome ${times(r.welcome)}; ${r.refused} refused, ${r.closed} closed`],
    ['messages', `${r.sent} sent in ${r.seconds} s, ${r.acked} acked, ${r.unsent} not sent, ${r.errors} errors`],
    ['deliveries', `${r.delivered} of ${r.expected}; ${r.lost} lost, ${r.doubled} repeated, ${r.disordered} disordered, ${r.misdelivered} misdelivered`],
  ];
  if (r.delivery.n) rows.push(['latency', times(r.delivery)]);
  if (r.draining || r.back) rows.push(['drain', `${r.draining} told to come back, ${r.back} back, ${r.resumed} with their session; away ${times(r.away)}`]);
  for (const f of r.failures) rows.push(['FAILED', f]);
  return `\n${rows.map(([name, text]) => name.padEnd(12) + text).join('\n')}\n`;
}
