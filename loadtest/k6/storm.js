// Connections that all come at once, and stay for DURATION; those that a server sends away come back when it said.
import { scenario } from './lib/talk.js';

const s = scenario('storm', { CONNECTIONS: 1000, SOCKETS_PER_VU: 250, DURATION: '10s', WAIT: '1s' }, { rt_welcome_ms: ['p(95)<5000'], rt_away_ms: ['p(95)<30000'] }, true);

export const { options, setup, handleSummary } = s;
export default s.run;
