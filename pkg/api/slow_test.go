package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Requests whose bodies never come hold up nobody, however many there are, and are answered after a while.
func TestSlowBodies(t *testing.T) {
	p := serve(t, nil)
	var last net.Conn
	for range 100 { // more than are dealt with at a time
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := fmt.Fprint(c, "POST /sessions/refresh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		last = c
	}
	if g := p.ask(http.MethodPost, "/sessions/refresh", refreshBody(string(p.pair().Refresh))); g.code != http.StatusOK {
		t.Errorf("meanwhile a whole one gets %d %s", g.code, g.body.Raw)
	}
	_ = last.SetReadDeadline(time.Now().Add(20 * time.Second))
	answer, err := io.ReadAll(io.LimitReader(last, 12))
	if want := "HTTP/1.1 408"; err != nil || string(answer) != want {
		t.Errorf("the last got %q, %v, want %s", answer, err, want)
	}
}
