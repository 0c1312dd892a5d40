package gateway_test

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

const badReason = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"

// closeCases are closing handshakes. The gateway sends back the code that it got, 1000
// where it got none.
func closeCases() []rfcCase {
	text := textFrame(pingMessage("1", 0))
	first, second := halves(pingMessage("1", 0))
	normal := closeFrame(1000, "")
	cases := []rfcCase{
		{"7.1.1", "text, then close", steps{sends(text, normal), gets(answerTo("1")), closes(1000)}},
		{"7.1.2", "two closes", steps{sends(normal, newFrame(opClose, "")), closes(1000)}},
		{"7.1.3", "ping after close", steps{sends(normal, pingFrame("")), closes(1000)}},
		{"7.1.4", "text after close", steps{sends(normal, text), closes(1000)}},
		{"7.1.5", "close between fragments", steps{sends(first, normal, second), closes(1000)}},
		{"7.1.6", "a message of MAX_FRAME_SIZE, then text, close, ping", steps{
			sends(textFrame(pingMessage("long", 65536)), text, normal, pingFrame("")),
			gets(answerTo("long"), answerTo("1")), closes(1000),
		}},

		{"7.3.1", "close without payload", steps{sends(newFrame(opClose, "")), closes(1000)}},
		{"7.3.2", "close with a payload of one octet", steps{sends(newFrame(opClose, "a")), closes(1002)}},
		{"7.3.3", "close with a code", steps{sends(normal), closes(1000)}},
		{"7.3.4", "close with a code and a reason", steps{sends(closeFrame(1000, "Hello World!")), closes(1000)}},
		{"7.3.5", "close with a reason of 123 octets", steps{sends(closeFrame(1000, strings.Repeat("*", 123))), closes(1000)}},
		{"7.3.6", "close with a reason of 124 octets", steps{sends(closeFrame(1000, strings.Repeat("*", 124))), closes(1002)}},

		{"7.5.1", "close with a reason that is not UTF-8", steps{sends(closeFrame(1000, badReason)), closes(1007)}},

		{"5.5.1 close octet by octet", "is one close", steps{octets(closeFrame(1001, "going away")), closes(1001)}},
		{"5.5.1 reason cut within a rune", "is not UTF-8", steps{sends(closeFrame(1000, "κόσμε"[:3])), closes(1007)}},
		{"5.5.1 bad code and bad reason", "both at once: the reason's code", steps{sends(closeFrame(1005, "\xff")), closes(1007)}},
		{"5.5.1 anything after close", "even what is no frame", steps{
			sends(normal), sendsRaw([]byte(strings.Repeat("\xff", 100000))), closes(1000),
		}},
		{"7.1.1 a peer that does not end", "is cut off within seconds", steps{sends(normal), closes(1000), cutOff}},
		{"7.1.7 a peer that goes on after its violation", "is cut off within seconds", steps{sends(newFrame(3, "")), closes(1002), cutOff}},
	}
	// answer 0: the code that was sent.
	add := func(name, about string, answer uint16, codes ...uint16) {
		for i, code := range codes {
			cases = append(cases, rfcCase{
				fmt.Sprintf(name, i+1), fmt.Sprintf(about, code), steps{sends(closeFrame(code, "")), closes(cmp.Or(answer, code))},
			})
		}
	}
	add("7.7.%d", "close %d, a code", 0, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
	add("7.4.2 registered %d", "close %d, by the registry that the RFC set up", 0, 1012, 1013, 1014)
	add("7.9.%d", "close %d, no code to be sent", 1002, 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
	add("7.4.1 reserved %d", "close %d, no code to be sent", 1002, 1, 1015)
	add("7.13.%d", "close %d, of which the RFC says nothing", 1002, 5000, 65535)
	return cases
}

// cutOff goes on sending, until the gateway cuts the connection.
func cutOff(p *rfcPeer) {
	p.t.Helper()
	ping := pingFrame("is anybody there?").bytes()
	for deadline := time.Now().Add(peerPatience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := p.conn.Write(ping); err != nil {
			return
		}
	}
	p.t.Fatalf("not cut off within %v", peerPatience)
}
