package gateway_test

import "fmt"

// reservedCases are bits and opcodes that mean nothing yet. Each is refused where it
// stands: what came before is answered, what comes behind is not.
func reservedCases() []rfcCase {
	hello := textFrame(pingMessage("hello", 0))
	ping := pingFrame("")
	cases := []rfcCase{
		{"3.1", "text with RSV 1", steps{sends(hello.reserved(1)), closes(1002)}},
		{"3.2", "text, text with RSV 2, ping", steps{sends(hello, hello.reserved(2), ping), gets(answerTo("hello")), closes(1002)}},
		{"3.3", "text, text with RSV 3, ping: each by itself", steps{
			sendsEach(hello, hello.reserved(3), ping), gets(answerTo("hello")), closes(1002),
		}},
		{"3.4", "text, text with RSV 4, ping: octet by octet", steps{
			octets(hello, hello.reserved(4), ping), gets(answerTo("hello")), closes(1002),
		}},
		{"3.5", "binary with RSV 5", steps{sends(binaryFrame(notUTF8).reserved(5)), closes(1002)}},
		{"3.6", "ping with RSV 6", steps{sends(pingFrame("Hello, world!").reserved(6)), closes(1002)}},
		{"3.7", "close with RSV 7", steps{sends(newFrame(opClose, "").reserved(7)), closes(1002)}},

		{"4.1.1", "opcode 3", steps{sends(newFrame(3, "")), closes(1002)}},
		{"4.1.2", "opcode 4 with payload", steps{sends(newFrame(4, "reserved opcode payload")), closes(1002)}},
		{"4.1.3", "text, opcode 5, ping", steps{sends(hello, newFrame(5, ""), ping), gets(answerTo("hello")), closes(1002)}},
		{"4.1.4", "text, opcode 6 with payload, ping", steps{
			sends(hello, newFrame(6, "Hello, world!"), ping), gets(answerTo("hello")), closes(1002),
		}},
		{"4.1.5", "text, opcode 7 with payload, ping: octet by octet", steps{
			octets(hello, newFrame(7, "Hello, world!"), ping), gets(answerTo("hello")), closes(1002),
		}},
		{"4.2.1", "opcode 11", steps{sends(newFrame(11, "")), closes(1002)}},
		{"4.2.2", "opcode 12 with payload", steps{sends(newFrame(12, "reserved opcode payload")), closes(1002)}},
		{"4.2.3", "text, opcode 13, ping", steps{sends(hello, newFrame(13, ""), ping), gets(answerTo("hello")), closes(1002)}},
		{"4.2.4", "text, opcode 14 with payload, ping", steps{
			sends(hello, newFrame(14, "Hello, world!"), ping), gets(answerTo("hello")), closes(1002),
		}},
		{"4.2.5", "text, opcode 15 with payload, ping: octet by octet", steps{
			octets(hello, newFrame(15, "Hello, world!"), ping), gets(answerTo("hello")), closes(1002),
		}},
	}
	first, second := halves(pingMessage("1", 0))
	for rsv := range byte(7) {
		cases = append(cases, rfcCase{
			fmt.Sprintf("5.2 RSV %d in a continuation", rsv+1), "no extension was agreed on",
			steps{sends(first, second.reserved(rsv+1)), closes(1002)},
		})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases, rfcCase{
			fmt.Sprintf("5.2 opcode %d between fragments", op), "and a message is under way",
			steps{sends(first, newFrame(op, ""), second), closes(1002)},
		})
	}
	return cases
}
