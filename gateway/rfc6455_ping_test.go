package gateway_test

import (
	"strconv"
	"strings"
)

const notUTF8 = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"

var long125 = strings.Repeat("\xfe", 125)

// pingCases are pings and pongs.
var pingCases = []rfcCase{
	{"2.1", "ping without payload", steps{sends(pingFrame("")), gets(pongOf("")), lives}},
	{"2.2", "ping with text", steps{sends(pingFrame("Hello, world!")), gets(pongOf("Hello, world!")), lives}},
	{"2.3", "ping with what is not UTF-8", steps{sends(pingFrame(notUTF8)), gets(pongOf(notUTF8)), lives}},
	{"2.4", "ping with 125 octets", steps{sends(pingFrame(long125)), gets(pongOf(long125)), lives}},
	{"2.5", "ping with 126 octets", steps{sends(pingFrame(long125 + "!")), closes(1002)}},
	{"2.6", "ping with 125 octets, octet by octet", steps{octets(pingFrame(long125)), gets(pongOf(long125)), lives}},
	{"2.7", "pong that nobody asked for", steps{sends(pongFrame("")), lives}},
	{"2.8", "pong with payload that nobody asked for", steps{sends(pongFrame("unsolicited pong payload")), lives}},
	{"2.9", "pong that nobody asked for, then a ping", steps{
		sends(pongFrame("unsolicited pong payload"), pingFrame("ping payload")), gets(pongOf("ping payload")), lives,
	}},
	{"2.10", "ten pings", steps{sendsEach(tenPings()...), gets(tenPongs()...), lives}},
	{"2.11", "ten pings, octet by octet", steps{octets(tenPings()...), gets(tenPongs()...), lives}},

	{"5.5 ping that claims 126 octets", "is refused before they come", steps{sends(pingFrame("").claiming(126)), closes(1002)}},
	{"5.5 pong with 126 octets", "the bound is every control frame's", steps{sends(pongFrame(long125 + "!")), closes(1002)}},
	{"5.5 pong of 65,536 octets", "octet counts in 64 bits too", steps{sends(pongFrame("").claiming(65536)), closes(1002)}},
	{"5.5.2 ping after a message", "answers keep the order of what they answer", steps{
		sends(textFrame(pingMessage("1", 0)), pingFrame("2"), textFrame(pingMessage("3", 0))),
		gets(answerTo("1"), pongOf("2"), answerTo("3")), lives,
	}},
}

func tenPings() (list []rfcFrame) {
	for i := range 10 {
		list = append(list, pingFrame("payload-"+strconv.Itoa(i)))
	}
	return list
}

func tenPongs() (list []rfcWant) {
	for i := range 10 {
		list = append(list, pongOf("payload-"+strconv.Itoa(i)))
	}
	return list
}
