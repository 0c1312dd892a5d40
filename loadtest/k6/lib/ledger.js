// Ledger checks that one connection sees each message of each sender of its topic once and in
// order, as the recorder of loadtest/load does.
export class Ledger {
  constructor(plan, me) {
    this.plan = plan;
    this.me = me;
    this.senders = new Map(); // number -> { next, missing }
    this.whole = true;
  }

  // arrived says what a delivery is: delivered, disordered (but delivered), doubled or misdelivered.
  arrived({ sender, seq }) {
    if (sender >= this.plan.connections || this.plan.topic(sender) !== this.plan.topic(this.me)) return 'misdelivered';
    let s = this.senders.get(sender);
    if (!s) this.senders.set(sender, s = { next: this.whole ? 0 : seq, missing: new Set() });
    if (seq >= s.next) {
      for (let i = s.next; i < seq; i++) s.missing.add(i);
      s.next = seq + 1;
      return 'delivered';
    }
    return s.missing.delete(seq) ? 'disordered' : 'doubled';
  }

  // away says that the connection was not there for a while: whatever comes next begins anew.
  away() {
    this.whole = false;
    this.senders.clear();
  }

  // lost is how many messages did not come, when nothing comes any more.
  lost() {
    let n = 0;
    const first = this.plan.topic(this.me) * this.plan.group;
    for (let c = first; c < first + this.plan.members(this.me); c++) {
      const s = this.senders.get(c);
      if (s) n += s.missing.size + Math.max(0, this.plan.sentBy(c) - s.next);
      else if (this.whole) n += this.plan.sentBy(c);
    }
    return n;
  }
}
