package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"syscall"
	"testing"
)

// chat is testdata/chat.js in a browser of its own: one user's page of a room.
type chat struct {
	*page
	user    string
	browser *process
	orders  chan string // JavaScript for the page to run
}

// scene is what such a page shows: who is in the room, what was said there, and the user's mail.
type scene struct{ People, Talk, Mail []string }

// openChat opens the page of a user, which joins the room.
func openChat(t *testing.T, addr, user, room string) *chat {
	t.Helper()
	c := &chat{page: newPage(t), user: user, orders: make(chan string)}
	c.mux.HandleFunc("GET /chat.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/chat.js") })
	c.mux.HandleFunc("GET /order", func(w http.ResponseWriter, r *http.Request) {
		select {
		case script := <-c.orders:
			fmt.Fprint(w, script)
		case <-r.Context().Done():
		case <-t.Context().Done():
			w.WriteHeader(http.StatusGone)
		}
	})
	c.browser = c.show(t, fmt.Sprintf(`
const script = Object.assign(document.createElement("script"), { src: "/chat.js" });
script.onload = () => { watch(); obey(); chat("ws://%s/ws", "%s", "%s"); };
document.head.append(script);`, addr, mint(t, user), room))
	return c
}

// order lets the page run a script.
func (c *chat) order(t *testing.T, script string) {
	t.Helper()
	select {
	case c.orders <- script:
	case line := <-c.said:
		t.Fatalf("%s's page changed, though nothing happened: %s", c.user, line)
	}
}

// click presses a button.
func (c *chat) click(t *testing.T, id string) {
	t.Helper()
	c.order(t, fmt.Sprintf(`document.getElementById(%q).click();`, id))
}

// say types a text to be said in the room, and presses the button.
func (c *chat) say(t *testing.T, text string) {
	t.Helper()
	c.order(t, fmt.Sprintf(`const f = document.getElementById("say"); f.text.value = %q; f.querySelector("button").click();`, text))
}

// write types a direct message, and presses the button.
func (c *chat) write(t *testing.T, to, text string) {
	t.Helper()
	c.order(t, fmt.Sprintf(`const f = document.getElementById("write"); f.to.value = %q; f.text.value = %q; f.querySelector("button").click();`, to, text))
}

// sees waits until the page shows that.
func (c *chat) sees(t *testing.T, want scene) {
	t.Helper()
	for {
		line := c.hear(t)
		t.Logf("%s sees %s", c.user, line)
		var got scene
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if reflect.DeepEqual(got, want) {
			return
		}
	}
}

// TestPagesInRoom: two users' pages see each other come, speak and go, and what was written to one of
// them before it opened.
func TestPagesInRoom(t *testing.T) {
	t.Parallel()
	addr := launch(t, []string{"JWT_SECRET=" + secret, "PORT=0", "DATA_DIR=" + t.TempDir(), "ROOM_GRACE=1s"}).address()
	none, alone, both := []string{}, []string{"alice"}, []string{"alice", "bob"}

	alice := openChat(t, addr, "alice", "kitchen")
	alice.sees(t, scene{alone, none, none})
	alice.write(t, "bob", "tea is ready")
	sent := []string{"queued"}
	alice.sees(t, scene{alone, none, sent})

	bob := openChat(t, addr, "bob", "kitchen")
	mail := []string{"alice: tea is ready (while you were away)"}
	bob.sees(t, scene{both, none, mail})
	alice.sees(t, scene{both, none, sent})

	bob.say(t, "coming")
	talk := []string{"bob: coming"}
	alice.sees(t, scene{both, talk, sent})
	bob.sees(t, scene{both, talk, mail})
	alice.say(t, "“milk” & <sugar>?")
	talk = append(talk, "alice: “milk” & <sugar>?")
	bob.sees(t, scene{both, talk, mail})
	alice.sees(t, scene{both, talk, sent})

	// By the button: what is said without bob is not for him.
	bob.click(t, "leave")
	bob.sees(t, scene{none, talk, mail})
	alice.sees(t, scene{alone, talk, sent})
	alice.say(t, "he left")
	alice.sees(t, scene{alone, append(talk[:2:2], "alice: he left"), sent})
	bob.click(t, "join")
	bob.sees(t, scene{both, talk, mail})
	talk = append(talk, "alice: he left")
	alice.sees(t, scene{both, talk, sent})

	// With the whole browser, and without a word to anybody.
	bob.browser.signal(syscall.SIGKILL)
	alice.sees(t, scene{alone, talk, sent})
	alice.write(t, "bob", "your cup")
	alice.sees(t, scene{alone, talk, []string{"queued", "queued"}})
}
