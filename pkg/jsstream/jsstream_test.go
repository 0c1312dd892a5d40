package jsstream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
	"github.com/realtime-cluster/realtime/pkg/jsstream/streamtest"
)

func TestMain(m *testing.M) { streamtest.VerifyTestMain(m) }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a stream of the subjects s.> or finds it.
func open(t *testing.T, nc *nats.Conn, mend func(*jetstream.StreamConfig) bool) (jetstream.JetStream, *jsstream.Opener) {
	t.Helper()
	js, err := jetstream.New(nc)
	ok(t, err)
	o := jsstream.NewOpener(jsstream.Config{
		JetStream: js, Stream: jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowDirect: true}, Log: zap.NewNop(), Mend: mend,
	})
	ok(t, o.Open(t.Context()))
	return js, o
}

// TestOpener: a stream is made, found, mended and, once it is gone and that was told, made again.
func TestOpener(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	js, o := open(t, nc, nil)
	_, mended := open(t, nc, func(cfg *jetstream.StreamConfig) bool {
		cfg.MaxAge = time.Hour
		return true
	})
	if got := mended.Stream().CachedInfo().Config.MaxAge; got != time.Hour {
		t.Errorf("max age %v", got)
	}
	ok(t, js.DeleteStream(t.Context(), "S"))
	ok(t, o.Open(t.Context()))
	_, found, err := jsstream.Latest(t.Context(), nc, "S", "s.a")
	if found || !jsstream.Vanished(err) {
		t.Errorf("found %v: %v", found, err)
	}
	o.Reopen()
	ok(t, o.Open(t.Context()))
	_, found, err = jsstream.Latest(t.Context(), nc, "S", "s.a")
	ok(t, err)
	if found {
		t.Error("found what is not there")
	}
}

func TestBatch(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	js, _ := open(t, nc, nil)
	for i := range 30 {
		_, err := js.Publish(t.Context(), fmt.Sprint("s.", i%3), fmt.Append(nil, i))
		ok(t, err)
	}
	batch := func(q jsstream.Query) (got string, left uint64, err error) {
		left, err = jsstream.Batch(t.Context(), nc, "S", q, func(m jsstream.Message) { got += fmt.Sprintf("%d:%s ", m.Seq, m.Data) })
		return got, left, err
	}
	future := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		query jsstream.Query
		want  string
		left  uint64
	}{
		{jsstream.Query{Seq: 20, NextFor: "s.1", Batch: 10}, "20:19 23:22 26:25 29:28 ", 0},
		{jsstream.Query{Seq: 21, NextFor: "s.1", Batch: 2}, "23:22 26:25 ", 1},
		{jsstream.Query{Seq: 1, NextFor: "s.1", Batch: 10, MaxBytes: 1}, "2:1 ", 9},
		{jsstream.Query{Start: &time.Time{}, NextFor: "s.2", Batch: 1}, "3:2 ", 9},
		{jsstream.Query{Start: &future, NextFor: "s.2", Batch: 1}, "", 0},
		{jsstream.Query{Seq: 31, NextFor: "s.1", Batch: 2}, "", 0},
		{jsstream.Query{Last: []string{"s.0", "s.2", "s.9"}, Batch: 3}, "28:27 30:29 ", 0},
		{jsstream.Query{Last: []string{"s.9"}, Batch: 3}, "", 0},
	} {
		got, left, err := batch(tt.query)
		if err != nil || got != tt.want || left != tt.left {
			t.Errorf("%+v: %q, %d left, %v; want %q and %d", tt.query, got, left, err, tt.want, tt.left)
		}
	}
}

// TestLost: a batch of which a message did not arrive is asked for again.
func TestLost(t *testing.T) {
	nc, _ := streamtest.Embedded(t)
	asked := 0
	_, err := nc.Subscribe("$JS.API.DIRECT.GET.T", func(request *nats.Msg) {
		reply := func(seq, last int) {
			ok(t, request.RespondMsg(&nats.Msg{Header: nats.Header{
				"Nats-Sequence": {fmt.Sprint(seq)}, "Nats-Last-Sequence": {fmt.Sprint(last)}, "Nats-Time-Stamp": {"2026-01-02T03:04:05Z"},
			}}))
		}
		asked++
		reply(3, 0)
		if asked > 1 {
			reply(5, 3)
		}
		reply(8, 5)
		ok(t, request.RespondMsg(&nats.Msg{Header: nats.Header{"Status": {"204"}, "Nats-Num-Pending": {"0"}}}))
	})
	ok(t, err)
	ok(t, nc.Flush())
	var got []uint64
	ok(t, jsstream.Ask(t.Context(), func(ctx context.Context) error {
		got = nil
		_, err := jsstream.Batch(ctx, nc, "T", jsstream.Query{Seq: 1, NextFor: "t", Batch: 9}, func(m jsstream.Message) { got = append(got, m.Seq) })
		return err
	}))
	if fmt.Sprint(got) != "[3 5 8]" || asked != 2 {
		t.Errorf("got %v, asked %d times", got, asked)
	}
}

// TestAsk: what nobody answers is asked again, and no longer than its context lasts.
func TestAsk(t *testing.T) {
	tries := 0
	err := jsstream.Ask(t.Context(), func(context.Context) error {
		if tries++; tries < 3 {
			return nats.ErrNoResponders
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%v after %d", err, tries)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = jsstream.Ask(ctx, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
