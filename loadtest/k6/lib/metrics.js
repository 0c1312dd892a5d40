// What the scripts measure; names begin with rt_.
import { Counter, Trend } from 'k6/metrics';

export const counts = {};
for (const name of ['connected', 'sent', 'unsent', 'acked', 'delivered', 'lost', 'doubled', 'disordered', 'misdelivered',
  'errors', 'closed', 'refused', 'draining', 'back', 'resumed']) {
  counts[name] = new Counter(`rt_${name}`);
}
export const latency = new Trend('rt_latency_ms'); // of deliveries, from when the message was due
export const welcome = new Trend('rt_welcome_ms'); // from the start of a handshake
export const away = new Trend('rt_away_ms'); // from a connection's end to when it was there again
