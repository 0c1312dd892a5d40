// A client of the protocol on nothing but the browser's WebSocket. The same file runs in Node
// and in a page: it defines tour, and main_test's runners call it.
"use strict";

const patience = 10000; // milliseconds for each step

// tour opens one connection for each case {name, url, protocols} and takes it through the
// protocol: welcome, Subscribe, Broadcast, close. It resolves to a list of
// {name, protocol, frames, close, error}: the subprotocol that was selected, the texts of the
// frames that came, and how the connection ended.
globalThis.tour = async function (cases, payload) {
  const results = [];
  for (const c of cases) results.push(await visit(c, payload));
  return results;
};

async function visit({ name, url, protocols }, payload) {
  const result = { name, protocol: null, frames: [], close: null, error: null };
  const topic = "js." + name;
  let ws;
  try {
    ws = protocols ? new WebSocket(url, protocols) : new WebSocket(url);
  } catch (e) {
    result.error = String(e);
    return result;
  }
  let changed = () => {};
  ws.onopen = () => { result.protocol = ws.protocol; };
  ws.onmessage = (e) => { result.frames.push(e.data); changed(); };
  ws.onerror = () => { result.error = "error event"; };
  ws.onclose = (e) => {
    result.close = { code: e.code, reason: e.reason, wasClean: e.wasClean };
    changed();
  };

  // until waits for frames that have all these parts in them, or for the end.
  const until = (...wanted) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("nothing with " + wanted)), patience);
    changed = () => {
      const all = wanted.every((text) => result.frames.some((f) => f.includes(text)));
      if (!all && !result.close) return;
      clearTimeout(timer);
      changed = () => {};
      resolve(all);
    };
    changed();
  });

  try {
    if (!await until('"connected"')) return result;
    ws.send(JSON.stringify({ type: "Subscribe", id: "sub", data: { topics: [topic] } }));
    await until('"subscribed"');
    // By hand: JSON.stringify would write the payload in its own way.
    ws.send(`{"type":"Broadcast","id":"pub","data":{"topic":"${topic}","payload":${payload}}}`);
    await until('"Ack"', '"Broadcast"');
    ws.close(1000, "seen enough");
    await until("the end");
  } catch (e) {
    result.error = String(e);
    ws.close();
  }
  return result;
}
