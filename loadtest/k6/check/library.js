// What check_test.go runs under Node: asserts, and prints a token.
import assert from 'node:assert/strict';
import { Plan, stamp, readStamp } from '../lib/plan.js';
import { Ledger } from '../lib/ledger.js';
import { read, seconds } from '../lib/options.js';
import { mint } from '../lib/token.js';

// 5 connections in topics of 2, 2 and 1; 12 messages: 3, 3, 2, 2, 2.
const plan = new Plan({ connections: 5, group: 2, rate: 4, seconds: 3 });
assert.equal(plan.messages, 12);
assert.deepEqual([0, 1, 2, 3, 4, 5].map((c) => plan.sentBy(c)), [3, 3, 2, 2, 2, 0]);
assert.equal(plan.deliveries(), 3 * 2 + 3 * 2 + 2 * 2 + 2 * 2 + 2);
assert.equal(plan.due(1, 2), 11 * 250);

assert.deepEqual(readStamp(stamp(3, 14, 1234.5, 128)), { sender: 3, seq: 14, due: 1234.5 });
assert.equal(JSON.stringify(stamp(3, 14, 1234.5, 128)).length, 128);
assert.equal(readStamp('hello'), null);
assert.equal(readStamp(7), null);

// hear gives connection 0, of senders 0 and 1, these messages.
function hear(...messages) {
  const ledger = new Ledger(plan, 0);
  return { ledger, found: messages.map(([sender, seq]) => ledger.arrived({ sender, seq })) };
}
const all = [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]];
let h = hear(...all);
assert.deepEqual(h.found, Array(6).fill('delivered'));
assert.equal(h.ledger.lost(), 0);

assert.equal(hear().ledger.lost(), 6);
assert.equal(hear(...all.slice(0, 5)).ledger.lost(), 1); // the last one
assert.equal(hear(...all.slice(1)).ledger.lost(), 1); // the first
assert.equal(hear(...all.filter(([, seq]) => seq !== 1)).ledger.lost(), 2); // from the middle

h = hear([0, 0], [0, 2], [0, 1], [0, 1], [1, 0], [1, 1], [1, 2]);
assert.deepEqual(h.found.slice(0, 4), ['delivered', 'delivered', 'disordered', 'doubled']);
assert.equal(h.ledger.lost(), 0);
assert.deepEqual(hear([2, 0], [9, 0]).found, ['misdelivered', 'misdelivered']);

h = hear([0, 0], [1, 0]);
h.ledger.away();
assert.equal(h.ledger.arrived({ sender: 0, seq: 2 }), 'delivered');
assert.equal(h.ledger.lost(), 0);

assert.equal(seconds('1h30m'), 5400);
assert.equal(seconds('500ms'), 0.5);
assert.throws(() => seconds('5'));
const env = { URL: 'ws://x/ws', JWT_SECRET: 's' };
assert.equal(read({ ...env, CONNECTIONS: '250' }, {}).vus, 3);
assert.throws(() => read({ ...env, RATE: '10001', CONNECTIONS: '1000' }, {}), /10,000/);
assert.throws(() => read({ ...env, RATE: '101', CONNECTIONS: '1' }, {}), /100 messages/);
assert.throws(() => read({ URL: 'ws://x/ws', TOKEN: 't', RATE: '501' }, {}), /500 messages/);
assert.throws(() => read({ JWT_SECRET: 's' }, {}), /URL/);
assert.throws(() => read({ URL: 'ws://x/ws' }, {}), /JWT_SECRET/);

console.log(mint(process.argv[2], 'k6-alice', 60));
