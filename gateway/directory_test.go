package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/metric"
)

// What an owner knows of a gateway's users and what the gateway has become the same again, though nobody asks:
// who seems to be gone is there again, with all that was known of it, and who only seems to be there is gone.
func TestDirectoryHeals(t *testing.T) {
	t.Parallel()
	const within = 8 * time.Second // digests come every two seconds, and are missed after five
	h := startPeople(t, people{})
	alice := h.talk(h.gateway[1], "alice")
	var here, ghosts []string
	var bobs []*talk
	for i := range 10 {
		here, ghosts = append(here, fmt.Sprint("bob", i)), append(ghosts, fmt.Sprint("ghost", i))
		k := h.talk(h.gateway[0], here[i])
		k.do("SetPresence", `{"status":"busy"}`)
		k.do("JoinRoom", `{"room":"r"}`)
		bobs = append(bobs, k)
	}
	h.hear(bobs[0], "r", bobs[1:]...)
	alice.do("WatchPresence", `{"users":["%s","%s"]}`, strings.Join(here, `","`), strings.Join(ghosts, `","`))
	began := time.Now()
	for i := range here {
		h.gateway[0].Missay(here[i], 0)
		h.gateway[0].Missay(ghosts[i], 3)
	}
	seen := make(map[string]string) // what the watcher was told last
	for healed := false; !healed; {
		m := alice.take()
		seen[m.Get("data.user_id").Str] = m.Get("data.status").Str
		healed = true
		for i := range here {
			healed = healed && seen[here[i]] == "busy" && seen[ghosts[i]] == "offline"
		}
	}
	if took := time.Since(began); took > within {
		t.Errorf("took %v", took)
	}
	for i, k := range bobs {
		wantPresence(t, alice.looks(here[i]), fmt.Sprintf(`"bob%d" "busy" 1`, i))
		wantPresence(t, alice.looks(ghosts[i]), fmt.Sprintf(`"ghost%d" "offline" 0`, i))
		if r := alice.reply(direct(ghosts[i], "1")); r.Get("data.status").Str != "queued" {
			t.Errorf("got %s", r.Raw)
		}
		alice.acked(direct(here[i], "1"))
		if m := k.take(); words(m) != "direct alice 1" {
			t.Errorf("got %s", m.Raw)
		}
	}
	h.hear(bobs[0], "r", bobs[1:]...)
	if r := alice.do("RoomInfo", `{"room":"r"}`); r.Get("data.member_count").Int() != 10 {
		t.Errorf("got %s", r.Raw)
	}
	// And then nobody has anything to tell again.
	before := h.metric(h.gateway[0], metric.GatewayResyncs, "")
	time.Sleep(2500 * time.Millisecond)
	if after := h.metric(h.gateway[0], metric.GatewayResyncs, ""); after != before || before == 0 {
		t.Errorf("told again %v times, and then %v", before, after-before)
	}
}
