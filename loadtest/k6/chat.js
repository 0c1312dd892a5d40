// Topics of ten connections each, of which all send.
import { scenario } from './lib/talk.js';

const s = scenario('chat', { CONNECTIONS: 500, RATE: 200, DURATION: '30s' }, { rt_latency_ms: ['p(95)<250', 'p(99)<1000'] }, false);

export const { options, setup, handleSummary } = s;
export default s.run;
