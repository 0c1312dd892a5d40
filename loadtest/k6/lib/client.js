// A client of the service: docs/PROTOCOL.md. It comes back when a server that drains told it
// when, and resumes its session.
import exec from 'k6/execution';
import { WebSocket } from 'k6/websockets';
import { counts, welcome, away } from './metrics.js';

// now is the time since the run began, in ms with fractions: the same clock in all VUs.
export function now() { return exec.instance.currentTestRunDuration; }

export class Client {
  // on has there(resumed), left() and broadcast(data).
  constructor(url, token, topics, on) {
    this.url = url;
    this.token = token;
    this.topics = topics;
    this.on = on;
    this.there = false;
    this.ended = false;
    this.session = '';
    this.goneAt = 0;
    this.connect();
  }

  connect() {
    const begun = now();
    const query = this.session ? `?session=${encodeURIComponent(this.session)}` : '';
    this.opened = false;
    this.comeBackIn = -1;
    this.socket = new WebSocket(this.url + query, null, { headers: { Authorization: `Bearer ${this.token}` } });
    this.socket.onmessage = (e) => this.message(JSON.parse(e.data), begun);
    this.socket.onerror = () => { if (!this.opened) this.refused(); };
    this.socket.onclose = () => { if (this.opened) this.closed(); };
  }

  message(m, begun) {
    const status = m.type === 'Status' ? m.data.status : '';
    if (m.type === 'Broadcast') this.on.broadcast(m.data);
    else if (m.type === 'Ack') counts.acked.add(1);
    else if (m.type === 'Error') counts.errors.add(1, { code: String(m.data.code) });
    else if (status === 'connected') {
      welcome.add(now() - begun);
      this.opened = true;
      this.session = m.data.details.session_id;
      this.resumed = m.data.details.resumed;
      if (this.resumed || !this.topics.length) this.greeted();
      else this.send('Subscribe', { topics: this.topics }, 's');
    } else if (status === 'subscribed') this.greeted();
    else if (status === 'draining') {
      counts.draining.add(1);
      this.comeBackIn = m.data.details.reconnect_after_ms;
    }
  }

  greeted() {
    this.there = true;
    if (this.goneAt) {
      counts.back.add(1);
      if (this.resumed) counts.resumed.add(1);
      away.add(now() - this.goneAt);
      this.goneAt = 0;
    } else counts.connected.add(1);
    this.on.there(this.resumed);
  }

  send(type, data, id) { this.socket.send(JSON.stringify({ type, id, data })); }

  // refused tries again some time later, as clients that are refused together should not come together.
  refused() {
    counts.refused.add(1);
    this.again(1000 + 4000 * Math.random());
  }

  closed() {
    this.there = false;
    if (this.ended) return;
    this.goneAt = now();
    this.on.left();
    if (this.comeBackIn < 0) counts.closed.add(1);
    this.again(this.comeBackIn < 0 ? 1000 + 4000 * Math.random() : this.comeBackIn);
  }

  again(ms) {
    if (this.ended) return;
    this.timer = setTimeout(() => this.connect(), ms);
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
