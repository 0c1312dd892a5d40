// A chat room on nothing but the browser's WebSocket and DOM, and the eyes and hands of the test
// that sits before it.
"use strict";

// chat shows a room, who is in it and what is said there, and the user's mail.
globalThis.chat = function (url, token, room) {
  document.body.innerHTML = `
    <ul id="people"></ul><ol id="talk"></ol><ol id="mail"></ol>
    <button id="join">join</button><button id="leave">leave</button>
    <form id="say"><input name="text"><button>say</button></form>
    <form id="write"><input name="to"><input name="text"><button>write</button></form>`;
  const at = (id) => document.getElementById(id);
  const line = (list, text) => at(list).append(Object.assign(document.createElement("li"), { textContent: text }));
  const people = new Set();
  const showPeople = () => {
    at("people").replaceChildren();
    [...people].sort().forEach((user) => line("people", user));
  };

  const ws = new WebSocket(url, ["realtime.v1", "access_token." + token]);
  let n = 0;
  const send = (type, data) => ws.send(JSON.stringify({ type, id: type + ++n, data }));
  const heard = {
    Status({ status }) {
      if (status === "connected") send("JoinRoom", { room });
      if (status === "joined") send("RoomInfo", { room });
      if (status === "left") people.clear();
    },
    Room({ members }) { members.forEach((m) => people.add(m.user_id)); },
    RoomEvent({ event, user_id }) { event === "joined" ? people.add(user_id) : people.delete(user_id); },
    RoomMessage({ from_user, payload }) { line("talk", from_user + ": " + payload); },
    DirectMessage({ from_user, payload, metadata }) {
      line("mail", from_user + ": " + payload + (metadata.queued ? " (while you were away)" : ""));
    },
    Ack({ message_id, status }) { if (message_id.startsWith("Direct")) line("mail", status); },
    Error({ message }) { line("mail", "error: " + message); },
  };
  ws.onmessage = (e) => {
    const { type, data } = JSON.parse(e.data);
    heard[type](data);
    showPeople();
  };
  at("join").onclick = () => send("JoinRoom", { room });
  at("leave").onclick = () => send("LeaveRoom", { room });
  at("say").onsubmit = (e) => {
    e.preventDefault();
    send("RoomMessage", { room, payload: e.target.text.value });
  };
  at("write").onsubmit = (e) => {
    e.preventDefault();
    send("DirectMessage", { target_user: e.target.to.value, payload: e.target.text.value });
  };
};

// watch tells the test what the page shows, whenever that changes.
globalThis.watch = function () {
  let last = "", telling = Promise.resolve();
  const read = (id) => [...document.querySelectorAll(`#${id} li`)].map((li) => li.textContent);
  const look = () => {
    const scene = JSON.stringify({ people: read("people"), talk: read("talk"), mail: read("mail") });
    if (scene === last) return;
    last = scene;
    telling = telling.then(() => fetch("/tell", { method: "POST", body: scene })); // one after another
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
};

// obey does what the test would do by hand.
globalThis.obey = async function () {
  for (;;) {
    const order = await fetch("/order");
    if (order.ok) new Function(await order.text())();
  }
};
