package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/tidwall/gjson"
)

// talk is one connection, read and written by the test itself: frames are sent as they
// are, and nothing that comes is passed over.
type talk struct {
	t       testing.TB
	user    string // where it is known
	session string // the same
	conn    net.Conn
	in      *bufio.Reader
	code    int // of the close frame; 0: none came

	passed []gjson.Result // what the test has set aside
	asked  int            // how often it has, by talk.try
}

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// talk connects as a user and takes the welcome.
func (h *harness) talk(g *gatewayNode, user string) *talk {
	h.t.Helper()
	k := h.talkBy(g, h.token(user))
	k.user = user
	return k
}

// talkBy connects by a token.
func (h *harness) talkBy(g *gatewayNode, token string) *talk {
	h.t.Helper()
	k := h.open(g, token)
	if m := k.next(); m.Get("data.status").Str != "connected" {
		h.t.Fatalf("welcomed with %s", m.Raw)
	}
	return k
}

// open does the handshake only.
func (h *harness) open(g *gatewayNode, token string) *talk {
	h.t.Helper()
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}}, Timeout: patience}
	conn, in, _, err := d.Dial(h.t.Context(), "ws://"+g.addr+"/ws")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return newTalk(h.t, conn, in)
}

// newTalk talks over a connection that is upgraded; in may be nil.
func newTalk(t testing.TB, conn net.Conn, in *bufio.Reader) *talk {
	if in == nil {
		in = bufio.NewReader(conn)
	}
	return &talk{t: t, conn: conn, in: in}
}

// send writes messages, a text frame each, at once.
func (k *talk) send(messages ...string) {
	k.t.Helper()
	var frames []ws.Frame
	for _, m := range messages {
		frames = append(frames, ws.NewTextFrame([]byte(m)))
	}
	k.write(frames...)
}

// write writes frames at once.
func (k *talk) write(frames ...ws.Frame) {
	k.t.Helper()
	var b bytes.Buffer
	for _, f := range frames {
		_ = ws.WriteFrame(&b, ws.MaskFrame(f))
	}
	_ = k.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := k.conn.Write(b.Bytes()); err != nil {
		k.t.Fatalf("write: %v", err)
	}
}

// frame reads the next frame, and answers it where it is a ping.
func (k *talk) frame() (ws.Frame, error) {
	f, err := k.read()
	if err == nil && f.Header.OpCode == ws.OpPing {
		err = ws.WriteFrame(k.conn, ws.MaskFrame(ws.NewPongFrame(f.Payload)))
	}
	return f, err
}

// read reads the next frame, and notes the code of a close.
func (k *talk) read() (f ws.Frame, err error) {
	_ = k.conn.SetReadDeadline(time.Now().Add(patience))
	if f.Header, err = ws.ReadHeader(k.in); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	if _, err = io.ReadFull(k.in, f.Payload); err == nil && f.Header.OpCode == ws.OpClose {
		code, _ := ws.ParseCloseFrameData(f.Payload)
		k.code = int(code)
	}
	return f, err
}

// next is the next message.
func (k *talk) next() gjson.Result {
	k.t.Helper()
	for {
		f, err := k.frame()
		switch {
		case err != nil:
			k.t.Fatalf("read: %v", err)
		case f.Header.OpCode == ws.OpClose:
			k.t.Fatalf("closed: %q", f.Payload)
		case f.Header.OpCode == ws.OpText:
			if !gjson.ValidBytes(f.Payload) {
				k.t.Fatalf("not JSON: %q", f.Payload)
			}
			return gjson.ParseBytes(f.Payload)
		}
	}
}

// end is what comes before the close frame. The gateway must then end the stream.
func (k *talk) end() (messages []gjson.Result, code int) {
	k.t.Helper()
	for k.code == 0 {
		f, err := k.frame()
		if err != nil {
			k.t.Fatalf("ended without a close frame: %v", err)
		}
		if f.Header.OpCode == ws.OpText {
			messages = append(messages, gjson.ParseBytes(f.Payload))
		}
	}
	if _, err := k.frame(); err == nil {
		k.t.Error("something follows the close frame")
	}
	return messages, k.code
}

// ask sends a message with an id and returns the reply, and what came before that.
func (k *talk) ask(message string) (reply gjson.Result, before []gjson.Result) {
	k.t.Helper()
	id := gjson.Get(message, "id").Str
	k.send(message)
	for {
		m := k.next()
		if m.Get("id").Str == id {
			return m, before
		}
		before = append(before, m)
	}
}

// lives shows that the connection still works, and returns what was on its way.
func (k *talk) lives() (before []gjson.Result) {
	k.t.Helper()
	pong, before := k.ask(`{"type":"Ping","id":"lives"}`)
	if pong.Get("type").Str != "Pong" {
		k.t.Fatalf("got %s", pong.Raw)
	}
	return before
}

// subscribe subscribes and sees to it that it is granted.
func (k *talk) subscribe(topics ...string) {
	k.t.Helper()
	r, _ := k.ask(subscribe("sub", topics...))
	if n := len(r.Get("data.details.topics").Array()); r.Get("data.status").Str != "subscribed" || n != len(topics) {
		k.t.Fatalf("got %s", r.Raw)
	}
}

func subscribe(id string, topics ...string) string { return request("Subscribe", id, topics) }

func unsubscribe(id string, topics ...string) string { return request("Unsubscribe", id, topics) }

func request(kind, id string, topics []string) string {
	return fmt.Sprintf(`{"type":%q,"id":%q,"data":{"topics":["%s"]}}`, kind, id, strings.Join(topics, `","`))
}

// broadcast is a Broadcast; without an id when that is empty.
func broadcast(id, topic, payload string) string {
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"type":"Broadcast",%s"data":{"topic":%q,"payload":%s}}`, id, topic, payload)
}

// brief tells messages in words: the type, the id, what it says.
func brief(messages ...gjson.Result) (list []string) {
	for _, m := range messages {
		words := []string{m.Get("type").Str}
		for _, path := range []string{"id", "data.status", "data.code", "data.payload"} {
			if v := m.Get(path); v.Exists() {
				words = append(words, v.String())
			}
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}
