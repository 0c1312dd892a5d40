// Many connections with a slow trickle of messages, for long; they may be sent away, and come back.
import { scenario } from './lib/talk.js';

const s = scenario('soak', { CONNECTIONS: 1000, RATE: 20, DURATION: '30m', CONNECT_TIME: '10s' }, { rt_latency_ms: ['p(99)<1000'] }, true);

export const { options, setup, handleSummary } = s;
export default s.run;
