// Two users in one topic with history. One of them goes, misses something, and comes back. It prints what came, as JSON.
"use strict";

// open connects. after is the offset of the last message that the client has had: the server may send some of those again.
const open = (url, token, session, after = 0) => new Promise((welcome, failed) => {
  const ws = new WebSocket(`${url}?token=${token}${session ? "&session=" + session : ""}`);
  const replies = new Map();
  const c = { ws, got: [], last: after };
  c.ask = (type, data, id = type + replies.size) => new Promise((reply) => {
    replies.set(id, reply);
    ws.send(JSON.stringify({ type, id, data }));
  });
  ws.onmessage = ({ data }) => {
    const m = JSON.parse(data);
    if (m.type === "Broadcast" && m.data.metadata.offset > c.last) {
      c.last = m.data.metadata.offset;
      c.got.push(m.data.payload);
    }
    if (m.id) replies.get(m.id)(m.data);
    if (m.data.status === "connected") welcome(Object.assign(c, { welcome: m.data.details }));
  };
  ws.onclose = () => failed(new Error("closed"));
});

const until = async (true_) => {
  while (!true_()) await new Promise((later) => setTimeout(later, 10));
};

globalThis.comeBack = async function (url, reader, writer) {
  const topic = "history.lobby";
  const w = await open(url, writer);
  const say = (n) => w.ask("Broadcast", { topic, payload: n }, "m" + n);
  let r = await open(url, reader);
  await r.ask("Subscribe", { topics: [topic] });
  for (const n of [1, 2, 3]) await say(n);
  await until(() => r.got.length === 3);
  const before = r.got;
  r.ws.close();
  for (const n of [4, 5]) await say(n);
  const again = await say(5);
  r = await open(url, reader, r.welcome.session_id, r.last);
  await say(6);
  await until(() => r.got.length >= 3);
  return { before, again, resumed: r.welcome.resumed, topics: r.welcome.topics, missed: r.got };
};

// remember asks for everything that is kept, and recovers from a position.
globalThis.remember = async function (url, token, position) {
  const c = await open(url, token);
  const page = await c.ask("History", { topic: "history.lobby" });
  const reply = await c.ask("Subscribe", { topics: ["history.lobby"], recover: { "history.lobby": position } });
  await until(() => c.got.length >= 2);
  return { page: page.publications.map((p) => p.payload), offset: page.offset, epoch: page.epoch, complete: page.complete,
    position: reply.details.positions["history.lobby"], missed: c.got };
};
