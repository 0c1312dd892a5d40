package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/metric"
)

// keeping is history of that size for topics that begin with h.
func keeping(size int, age time.Duration) history.Policy {
	p := kept()
	p[0].Size, p[0].Age = size, age
	return p
}

// fill publishes many messages, as padded numbers, and returns the epoch.
func (k *talk) fill(topic string, from, to int, padding string) (epoch string) {
	k.t.Helper()
	for from <= to {
		last := min(from+499, to)
		var list []string
		for n := from; n <= last; n++ {
			list = append(list, broadcast(fmt.Sprint("m", n), topic, fmt.Sprintf(`[%d,"%s"]`, n, padding)))
		}
		k.send(list...)
		for ; from <= last; from++ {
			ack := k.next()
			if ack.Get("data.status").Str != "stored" {
				k.t.Fatalf("got %s", ack.Raw)
			}
			epoch = ack.Get("data.epoch").Str
		}
	}
	return epoch
}

// recoverFrom is a Subscribe to topics from one offset.
func recoverFrom(id string, offset int, epoch string, topics ...string) string {
	var list []string
	for _, topic := range topics {
		list = append(list, fmt.Sprintf(`%q:{"offset":%d,"epoch":%q}`, topic, offset, epoch))
	}
	return fmt.Sprintf(`{"type":"Subscribe","id":%q,"data":{"topics":["%s"],"recover":{%s}}}`, id, strings.Join(topics, `","`), strings.Join(list, ","))
}

// position is what a reply says of a topic.
func position(reply gjson.Result, topic string) gjson.Result {
	return reply.Get("data.details.positions").Map()[topic]
}

// takes takes the messages of a topic from one offset to another, and nothing else.
func (k *talk) takes(topic string, from, to int) {
	k.t.Helper()
	for n := from; n <= to; n++ {
		if m := k.next(); m.Get("data.topic").Str != topic || m.Get("data.metadata.offset").Int() != int64(n) {
			k.t.Fatalf("instead of message %d came %.200s", n, m.Raw)
		}
	}
}

// A client that reads slowly gets all of a long history, in pages: it is not cut off, and its outbox stays small.
func TestSlowClientRecoversAll(t *testing.T) {
	t.Parallel()
	const all = 20000
	h := startWith(t, keeping(30000, time.Hour), 1, 1, nil)
	g := h.gateway[0]
	writer := h.talk(g, "w")
	epoch := writer.fill("h.long", 1, all, strings.Repeat("x", 100))
	slow := h.talkSmall(g, "r")
	reply, before := slow.ask(recoverFrom("s", 0, epoch, "h.long"))
	if p := position(reply, "h.long"); len(before) > 0 || !p.Get("recovered").Bool() || p.Get("offset").Int() != all {
		t.Fatalf("subscribed with %s", reply.Raw)
	}
	peak := 0.0
	for n := 1; n <= all; n++ {
		if n%1000 == 1 {
			time.Sleep(20 * time.Millisecond)
			peak = max(peak, h.metric(g, metric.GatewayOutboxBytes, ""))
		}
		if n == all/2 {
			writer.fill("h.long", all+1, all+10, "")
		}
		slow.takes("h.long", n, n)
	}
	slow.takes("h.long", all+1, all+10)
	if rest := slow.lives(); len(rest) > 0 || h.ended(g, "slow") != 0 {
		t.Errorf("%d messages more, %v cut off", len(rest), h.ended(g, "slow"))
	}
	if peak > 256<<10 {
		t.Errorf("%v bytes waited", peak)
	}
}

// Those who come back all at once share what is fetched for them.
func TestManyRecoverAtOnce(t *testing.T) {
	t.Parallel()
	const clients, missed = 300, 500
	h := startWith(t, kept(), 1, 1, nil)
	g := h.gateway[0]
	epoch := h.talk(g, "w").fill("h.a", 1, missed, "")
	var list []*talk
	for range clients {
		list = append(list, h.talk(g, "r"))
	}
	for _, k := range list {
		k.send(recoverFrom("s", 0, epoch, "h.a"))
	}
	for _, k := range list {
		if reply := k.next(); !position(reply, "h.a").Get("recovered").Bool() {
			t.Fatalf("subscribed with %s", reply.Raw)
		}
		k.takes("h.a", 1, missed)
	}
	if n := h.metric(g, metric.GatewayFetches, ""); n > clients/4 {
		t.Errorf("%v fetches for %d clients", n, clients)
	}
}

// Who recovers more topics at once than its outbox could hold is not cut off either.
func TestRecoverManyTopics(t *testing.T) {
	t.Parallel()
	const topics, missed = 30, 60
	h := startWith(t, kept(), 1, 1, nil)
	g := h.gateway[0]
	writer := h.talk(g, "w")
	var names []string
	var recovers []string
	for i := range topics {
		name := fmt.Sprint("h.", i)
		epoch := writer.fill(name, 1, missed, strings.Repeat("x", 1000))
		names = append(names, name)
		recovers = append(recovers, fmt.Sprintf(`%q:{"offset":%d,"epoch":%q}`, name, i, epoch))
	}
	slow := h.talkSmall(g, "r")
	slow.send(fmt.Sprintf(`{"type":"Subscribe","id":"s","data":{"topics":["%s"],"recover":{%s}}}`, strings.Join(names, `","`), strings.Join(recovers, ",")))
	time.Sleep(500 * time.Millisecond)
	if waits := h.metric(g, metric.GatewayOutboxBytes, ""); waits > 256<<10 {
		t.Errorf("%v bytes wait", waits)
	}
	reply := slow.next()
	at := map[string]int64{}
	left := 0
	for i, name := range names {
		if p := position(reply, name); !p.Get("recovered").Bool() || p.Get("offset").Int() != missed {
			t.Fatalf("subscribed with %s", reply.Raw)
		}
		at[name] = int64(i)
		left += missed - i
	}
	for ; left > 0; left-- {
		m := slow.next()
		name := m.Get("data.topic").Str
		if at[name]++; m.Get("data.metadata.offset").Int() != at[name] {
			t.Fatalf("instead of message %d of %s came %.200s", at[name], name, m.Raw)
		}
	}
	if rest := slow.lives(); len(rest) > 0 || h.ended(g, "slow") != 0 {
		t.Errorf("%d messages more, %v cut off", len(rest), h.ended(g, "slow"))
	}
}

// Subscribing again, while recovering or later, costs nothing and brings nothing twice.
func TestSubscribeAgain(t *testing.T) {
	t.Parallel()
	h := startWith(t, kept(), 1, 1, nil)
	writer, reader := h.talk(h.gateway[0], "w"), h.talk(h.gateway[0], "r")
	epoch := writer.fill("h.a", 1, 800, strings.Repeat("x", 500))
	reader.send(recoverFrom("1", 100, epoch, "h.a"), subscribe("2", "h.a"), subscribe("3", "h.a", "h.*"))
	at, replies := 100, 0
	for at < 800 || replies < 3 {
		if m := reader.next(); m.Get("type").Str == "Status" {
			replies++
		} else if at++; m.Get("data.metadata.offset").Int() != int64(at) {
			t.Fatalf("instead of message %d came %.200s", at, m.Raw)
		}
	}
	reader.subscribe("h.a")
	writer.fill("h.a", 801, 803, "")
	reader.takes("h.a", 801, 803)
	reply, _ := reader.ask(recoverFrom("4", 790, epoch, "h.a"))
	if !position(reply, "h.a").Get("recovered").Bool() {
		t.Fatalf("subscribed with %s", reply.Raw)
	}
	reader.takes("h.a", 791, 803)

	// Nothing follows an Unsubscribe's reply.
	reader.send(recoverFrom("5", 0, epoch, "h.a"), unsubscribe("6", "h.a", "h.*"))
	for m := reader.next(); m.Get("id").Str != "6"; m = reader.next() {
	}
	if rest := reader.lives(); len(rest) > 0 {
		t.Errorf("%d messages follow", len(rest))
	}
}

// What is too old, or too much, is not recovered; what there is of it, History tells.
func TestRecoverTooMuch(t *testing.T) {
	t.Parallel()
	h := startWith(t, append(history.Policy{{Name: "brief", Topics: []string{"h.brief"}, Size: 1000, Age: 2 * time.Second, Replicas: 1}}, keeping(20, time.Hour)...), 1, 1, nil)
	writer := h.talk(h.gateway[0], "w")
	brief := writer.publish("h.brief", 1, 3)
	epoch := writer.publish("h.a", 1, 50)
	reader := h.talk(h.gateway[0], "r")
	for offset, whole := range map[int]bool{10: false, 29: false, 30: true, 50: true, 51: false} {
		reply, _ := reader.ask(recoverFrom("s", offset, epoch, "h.a"))
		if p := position(reply, "h.a"); p.Get("recovered").Bool() != whole || p.Get("offset").Int() != 50 {
			t.Errorf("from %d: %s", offset, reply.Raw)
		}
		if whole {
			reader.takes("h.a", offset+1, 50)
		}
		if rest := reader.lives(); len(rest) > 0 {
			t.Fatalf("from %d: %d more", offset, len(rest))
		}
		reader.ask(unsubscribe("u", "h.a"))
	}
	page, _ := reader.ask(fmt.Sprintf(`{"type":"History","id":"h","data":{"topic":"h.a","since":{"offset":10,"epoch":%q}}}`, epoch))
	if page.Get("data.complete").Bool() || page.Get("data.publications.#").Int() < 20 || page.Get("data.publications.@reverse.0.metadata.offset").Int() != 50 {
		t.Errorf("history is %.300s", page.Raw)
	}
	time.Sleep(2500 * time.Millisecond)
	reply, _ := reader.ask(recoverFrom("s", 1, brief, "h.brief"))
	if p := position(reply, "h.brief"); p.Get("recovered").Bool() {
		t.Errorf("of what is too old: %s", reply.Raw)
	}
}

// When a history is lost, subscribers are told, and a new numbering begins.
func TestHistoryIsLost(t *testing.T) {
	t.Parallel()
	h := startWith(t, kept(), 1, 1, nil)
	writer, reader := h.talk(h.gateway[0], "w"), h.talk(h.gateway[0], "r")
	reader.subscribe("h.a", "h.*")
	epoch := writer.publish("h.a", 1, 10)
	reader.takes("h.a", 1, 10)
	h.router[0].kill() // it would go on with its numbers, which it knows
	h.purge()
	h.addRouter()
	var ack gjson.Result
	h.eventually(func() bool {
		ack, _ = writer.ask(broadcast("new", "h.a", "1"))
		return ack.Get("type").Str == "Ack"
	})
	if ack.Get("data.offset").Int() != 1 || ack.Get("data.epoch").Str == epoch {
		t.Fatalf("acked with %s", ack.Raw)
	}
	gap := reader.next()
	if d := gap.Get("data.details"); gap.Get("data.status").Str != "history_gap" || d.Get("topic").Str != "h.a" || d.Get("offset").Int() != 0 ||
		d.Get("epoch").Str != ack.Get("data.epoch").Str || d.Get("recovered").Bool() {
		t.Fatalf("told %s", gap.Raw)
	}
	reader.takes("h.a", 1, 1)
	late := h.talk(h.gateway[0], "l")
	reply, _ := late.ask(recoverFrom("s", 8, epoch, "h.a"))
	if p := position(reply, "h.a"); p.Get("recovered").Bool() || p.Get("offset").Int() != 1 || p.Get("epoch").Str == epoch {
		t.Errorf("subscribed with %s", reply.Raw)
	}
	if rest := append(late.lives(), reader.lives()...); len(rest) > 0 {
		t.Errorf("%v more", brief(rest...))
	}
}

// purge removes all that is stored.
func (h *harness) purge() {
	h.t.Helper()
	conns := h.connect(prometheus.NewRegistry())
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	js, err := jetstream.New(conns[0])
	if err != nil {
		h.t.Fatal(err)
	}
	purged := 0
	for name := range js.StreamNames(h.t.Context()).Name() {
		s, err := js.Stream(h.t.Context(), name)
		if err == nil && !strings.HasPrefix(name, "KV_") {
			purged++
			err = s.Purge(h.t.Context())
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	if purged == 0 {
		h.t.Fatal("nothing to purge")
	}
}

// A history read page by page, from either end, has each message once.
func TestHistoryByPages(t *testing.T) {
	t.Parallel()
	const all = 2345
	h := startWith(t, keeping(3000, time.Hour), 1, 1, nil)
	k := h.talk(h.gateway[0], "w")
	k.fill("h.a", 1, all, strings.Repeat("x", 700)) // more than an owner remembers
	for _, limit := range []int{50, 1000} {
		for _, reverse := range []bool{false, true} {
			var got []int64
			at := ""
			for pages := 0; ; pages++ {
				page, _ := k.ask(fmt.Sprintf(`{"type":"History","id":"h","data":{"topic":"h.a","limit":%d,"reverse":%t%s}}`, limit, reverse, at))
				list := page.Get("data.publications").Array()
				if page.Get("type").Str != "History" || len(list) > limit || page.Get("data.offset").Int() != all || pages > all {
					t.Fatalf("page %d is %.300s", pages, page.Raw)
				}
				for _, p := range list {
					got = append(got, p.Get("metadata.offset").Int())
				}
				if page.Get("data.complete").Bool() {
					break
				}
				if len(list) == 0 {
					t.Fatalf("page %d is empty, and not complete", pages)
				}
				bound := "since"
				if reverse {
					bound = "until"
				}
				at = fmt.Sprintf(`,%q:{"offset":%d,"epoch":%q}`, bound, got[len(got)-1], page.Get("data.epoch").Str)
			}
			if reverse {
				slices.Reverse(got)
			}
			for i, n := range got {
				if n != int64(i+1) {
					t.Fatalf("limit %d, reverse %t: message %d is at %d", limit, reverse, n, i+1)
				}
			}
			if len(got) != all {
				t.Errorf("limit %d, reverse %t: %d messages", limit, reverse, len(got))
			}
		}
	}
}

// Many subscribers, by name and by pattern, of topics that many write to get each message once and in order, while routers come and go.
func TestHistoryUnderViewChanges(t *testing.T) {
	t.Parallel()
	h := startWith(t, keeping(20000, time.Hour), 2, 2, nil)
	topics := []string{"h.a", "h.b", "h.c"}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	tops := make([]int64, len(topics)) // each owned by its writer until wg is done
	for i, topic := range topics {
		w := h.talk(h.gateway[i%2], "w")
		wg.Go(func() {
			for n := 0; ; {
				select {
				case <-stop:
					return
				default:
				}
				ack, _ := w.ask(broadcast(fmt.Sprint("m", n), topic, fmt.Sprint(n)))
				if ack.Get("type").Str == "Ack" {
					time.Sleep(5 * time.Millisecond) // nobody reads until the end
					tops[i] = ack.Get("data.offset").Int()
					n++
				}
			}
		})
	}
	var readers []*talk
	for i, g := range []*gatewayNode{h.gateway[0], h.gateway[1], h.gateway[0], h.gateway[1]} {
		k := h.talk(g, "r")
		if i < 2 {
			k.subscribe(topics...)
		} else {
			k.subscribe("h.>")
		}
		readers = append(readers, k)
	}
	h.addRouter()
	time.Sleep(500 * time.Millisecond)
	h.router[0].stop()
	time.Sleep(500 * time.Millisecond)
	h.router[1].kill()
	h.addRouter()
	time.Sleep(3 * time.Second)
	close(stop)
	wg.Wait()
	for i, k := range readers {
		at := map[string]int64{}
		for done := false; !done; {
			m := k.next()
			topic, offset := m.Get("data.topic").Str, m.Get("data.metadata.offset").Int()
			if was := at[topic]; m.Get("type").Str != "Broadcast" || was != 0 && offset != was+1 {
				t.Fatalf("reader %d, at %d: %s", i, was, m.Raw)
			}
			at[topic] = offset
			done = true
			for j, topic := range topics {
				done = done && at[topic] >= tops[j]
			}
		}
	}
}

// While NATS is away, and with it the store, messages are refused within seconds; subscribers stay, and with NATS back everything
// goes on, with what was sent again stored once.
func TestHistoryWithoutNATS(t *testing.T) {
	t.Parallel()
	server := &restartable{t: t, dir: t.TempDir(), log: zap.NewNop()}
	server.start()
	t.Cleanup(server.stop)
	h := &harness{t: t, server: server, log: server.log, policy: kept()}
	h.begin(2, 1, nil)
	writer, reader := h.talk(h.gateway[0], "w"), h.talk(h.gateway[1], "r")
	epoch := writer.publish("h.a", 1, 5)
	reader.subscribe("h.a")
	server.stop()
	for n := range 3 {
		began := time.Now()
		r, _ := writer.ask(numbered("h.a", 6))
		if took := time.Since(began); r.Get("data.code").Int() != 503 || took > 6*time.Second {
			t.Errorf("try %d: after %v %s", n, took, r.Raw)
		}
		reader.lives()
	}
	server.start()
	for n := 6; n <= 10; n++ {
		h.eventually(func() bool {
			ack, _ := writer.ask(numbered("h.a", n))
			if ack.Get("type").Str != "Ack" {
				return false
			}
			if ack.Get("data.offset").Int() != int64(n) || ack.Get("data.epoch").Str != epoch {
				t.Errorf("message %d was acked with %s", n, ack.Raw)
			}
			return true
		})
	}
	reader.takes("h.a", 6, 10)
	if rest := reader.lives(); len(rest) > 0 {
		t.Errorf("got %v", brief(rest...))
	}
}
