// Who sends what, and when: all of it is fixed before a run begins. Connections are numbered
// from 0, neighbours share a topic, and message j of the run is sent by connection j modulo
// their number, j/rate seconds after sending began.

export class Plan {
  constructor({ connections, group, rate, seconds }) {
    this.connections = connections;
    this.group = group;
    this.rate = rate;
    this.messages = Math.ceil(rate * seconds - 1e-9);
  }

  topic(c) { return Math.floor(c / this.group); }

  // members is how many connections have the topic of c.
  members(c) {
    return Math.min(this.group, this.connections - this.topic(c) * this.group);
  }

  // sentBy is how many messages connection c sends.
  sentBy(c) {
    return c < this.connections ? Math.ceil(Math.max(0, this.messages - c) / this.connections) : 0;
  }

  // due is when message seq of connection c is to be sent, in ms after sending began.
  due(c, seq) { return (seq * this.connections + c) * 1000 / this.rate; }

  // deliveries is how many there are when nothing is lost.
  deliveries() {
    let n = 0;
    for (let c = 0; c < this.connections; c++) n += this.sentBy(c) * this.members(c);
    return n;
  }
}

// stamp is a payload: who sent it, its number from that sender, and when it was due.
export function stamp(sender, seq, due, size) {
  return `k6.${sender}.${seq}.${due.toFixed(3)}.`.padEnd(size - 2, 'x'); // the quotes are two bytes
}

// readStamp is its reverse, or null.
export function readStamp(text) {
  const found = typeof text === 'string' && /^k6\.(\d+)\.(\d+)\.(\d+\.\d+)\.x*$/.exec(text);
  return found ? { sender: Number(found[1]), seq: Number(found[2]), due: Number(found[3]) } : null;
}
