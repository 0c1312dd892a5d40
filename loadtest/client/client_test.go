package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h *hub.Hub) (url string) {
	t.Helper()
	s := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
}

func dial(t *testing.T, url string, opts client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), url, "token", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestBroadcastComesBackAndIsAcked(t *testing.T) {
	url := serve(t, &hub.Hub{})
	got := make(chan client.Delivery, 4)
	c := dial(t, url, client.Options{Deliver: func(d client.Delivery) { got <- d }})
	if w := c.Welcome(); w.ConnectionID != "c0" || w.UserID != "token" {
		t.Errorf("welcome %+v", w)
	}
	s, err := c.Subscribe(t.Context(), "a.b", "c")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.Topics, []string{"a.b", "c"}) || s.Active != 2 {
		t.Errorf("subscription %+v", s)
	}
	ack, err := c.Broadcast(t.Context(), "a.b", `{"x":1}`)
	if err != nil {
		t.Fatal(err)
	}
	d := <-got
	if d.Topic != "a.b" || d.Payload != `{"x":1}` || d.MessageID != ack.MessageID || ack.Status != "accepted" {
		t.Errorf("delivery %+v, ack %+v", d, ack)
	}
	if s, err = c.Unsubscribe(t.Context(), "c"); err != nil || s.Active != 1 {
		t.Errorf("unsubscribe: %+v, %v", s, err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDeliveriesAndAcksKeepTheirOrder(t *testing.T) {
	url := serve(t, &hub.Hub{})
	const n = 500
	var seen, acked []string
	done := make(chan struct{})
	c := dial(t, url, client.Options{Deliver: func(d client.Delivery) { seen = append(seen, d.Payload) }})
	if _, err := c.Subscribe(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range n {
		p := fmt.Sprint(i)
		want = append(want, p)
		err := c.Publish("a", p, func(_ client.Ack, err error) {
			if err != nil {
				t.Error(err)
			}
			if acked = append(acked, p); len(acked) == n {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	<-done
	_ = c.Close()
	if !reflect.DeepEqual(seen, want) || !reflect.DeepEqual(acked, want) {
		t.Errorf("saw %d deliveries and %d acks, or not in order", len(seen), len(acked))
	}
}

func TestServerErrorsReachTheCaller(t *testing.T) {
	url := serve(t, &hub.Hub{})
	c := dial(t, url, client.Options{})
	_, err := c.Subscribe(t.Context(), "forbidden")
	if client.Code(err) != 403 {
		t.Errorf("error %v, want a 403", err)
	}
	var e *client.ServerError
	if !errors.As(err, &e) || e.Details != `{"topic":"forbidden"}` {
		t.Errorf("details of %v", err)
	}
}

func TestEveryTokenPlace(t *testing.T) {
	url := serve(t, &hub.Hub{})
	for _, place := range []client.TokenPlace{client.TokenInHeader, client.TokenInSubprotocol, client.TokenInQuery} {
		c := dial(t, url, client.Options{TokenBy: place})
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("place %d: %v", place, err)
		}
	}
}

func TestRefusedHandshakeTellsStatusAndBody(t *testing.T) {
	url := serve(t, &hub.Hub{})
	_, err := client.Dial(t.Context(), url, "", client.Options{})
	var e *client.HandshakeError
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || !strings.Contains(string(e.Body), `"code":401`) {
		t.Fatalf("error %v", err)
	}
}

func TestCloseCodeOfTheServer(t *testing.T) {
	h := &hub.Hub{}
	c := dial(t, serve(t, h), client.Options{})
	if c.CloseCode() != 0 {
		t.Errorf("close code %d while it lives", c.CloseCode())
	}
	h.CloseWith(0, 4410, "too slow")
	<-c.Done()
	if c.CloseCode() != 4410 {
		t.Errorf("close code %d: %v", c.CloseCode(), c.Err())
	}
	if err := c.Publish("a", "1", func(client.Ack, error) { t.Error("called back") }); err == nil {
		t.Error("published on a closed connection")
	}
}

func TestCloseIsAnsweredAndAbortIsNot(t *testing.T) {
	url := serve(t, &hub.Hub{})
	c := dial(t, url, client.Options{})
	_ = c.Close()
	if c.CloseCode() != 1000 {
		t.Errorf("after Close: %d, %v", c.CloseCode(), c.Err())
	}
	c = dial(t, url, client.Options{})
	c.Abort()
	if !errors.Is(c.Err(), client.ErrClosed) || c.CloseCode() != 1006 {
		t.Errorf("after Abort: %d, %v", c.CloseCode(), c.Err())
	}
}

func TestPendingRequestsFailWithTheConnection(t *testing.T) {
	h := &hub.Hub{Answer: func(int, string, string) string { return "" }}
	c := dial(t, serve(t, h), client.Options{})
	var wg sync.WaitGroup
	var failed error
	wg.Add(1)
	if err := c.Publish("a", "1", func(_ client.Ack, err error) { failed = err; wg.Done() }); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.CloseWith(0, 1012, "restart")
	wg.Wait()
	if e, ok := errors.AsType[*client.CloseError](failed); !ok || e.Code != 1012 {
		t.Errorf("pending publish failed with %v", failed)
	}
}

func TestNoReplyEndsWithTheContext(t *testing.T) {
	h := &hub.Hub{Answer: func(int, string, string) string { return "" }}
	c := dial(t, serve(t, h), client.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Broadcast(ctx, "a", "1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestASecondReplyGoesToOther(t *testing.T) {
	h := &hub.Hub{Answer: func(_ int, _, reply string) string { return reply + "\n" + reply }}
	other := make(chan client.Message, 1)
	c := dial(t, serve(t, h), client.Options{Other: func(m client.Message) { other <- m }})
	if _, err := c.Broadcast(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	if m := <-other; m.Type != "Ack" {
		t.Errorf("other message %+v", m)
	}
}

func TestFragmentsPingsAndBrokenFrames(t *testing.T) {
	h := &hub.Hub{}
	got := make(chan client.Delivery, 1)
	c := dial(t, serve(t, h), client.Options{Deliver: func(d client.Delivery) { got <- d }})
	h.Write(0,
		ws.NewFrame(ws.OpText, false, []byte(`{"type":"Broad`)),
		ws.NewPingFrame([]byte("between")),
		ws.NewFrame(ws.OpContinuation, true, []byte(`cast","data":{"topic":"t","payload":"ü"}}`)))
	if d := <-got; d.Payload != `"ü"` {
		t.Errorf("delivery %+v", d)
	}
	h.Write(0, ws.NewTextFrame([]byte(`{"type":`)))
	<-c.Done()
	if c.Err() == nil || c.CloseCode() != 1006 {
		t.Errorf("half a message: %v", c.Err())
	}
	c = dial(t, serve(t, h), client.Options{})
	h.Write(1, ws.MaskFrame(ws.NewTextFrame([]byte(`{"type":"x"}`))))
	<-c.Done()
	if c.Err() == nil {
		t.Error("a masked frame of the server passed")
	}
}

func TestToken(t *testing.T) {
	tok, err := client.Token(strings.Repeat("s", 32), "alice", time.Minute, map[string]any{"iss": "x"})
	if err != nil || strings.Count(tok, ".") != 2 {
		t.Errorf("%q, %v", tok, err)
	}
}

func TestAMuteClientAnswersNoPings(t *testing.T) {
	h := &hub.Hub{}
	url := serve(t, h)
	for i, mute := range []bool{false, true} {
		c := dial(t, url, client.Options{Mute: mute})
		pongs := h.Pongs(i)
		h.Write(i, ws.NewPingFrame([]byte("x")))
		if err := c.Ping(t.Context()); err != nil { // its answer comes behind the pong
			t.Fatal(err)
		}
		if got := h.Pongs(i) - pongs; got != map[bool]int{false: 1, true: 0}[mute] {
			t.Errorf("mute %v: %d pongs", mute, got)
		}
	}
}
