// A few connections that talk for some seconds: does it work at all?
import { scenario } from './lib/talk.js';

const s = scenario('smoke', { CONNECTIONS: 20, RATE: 20, DURATION: '3s', CONNECT_TIME: '1s', WAIT: '1s' }, { rt_latency_ms: ['p(95)<500'] }, false);

export const { options, setup, handleSummary } = s;
export default s.run;
