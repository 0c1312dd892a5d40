package gateway_test

import "strings"

// limitCases are frames that are too long, or not masked, or whose length is not
// written as it should be. The harness has a MAX_FRAME_SIZE of 64 KiB.
func limitCases() []rfcCase {
	const most = 64 << 10
	text := textFrame(pingMessage("1", 0))
	first, second := halves(pingMessage("1", 0))
	start := textFrame(strings.Repeat(" ", 40000)).unfinished()
	tooLarge := gets(errorOf(413))
	return []rfcCase{
		{"5.1 text without a mask", "a client MUST mask", steps{sends(text, text.unmasked(), text), gets(answerTo("1")), closes(1002)}},
		{"5.1 binary without a mask", "a client MUST mask", steps{sends(binaryFrame("").unmasked()), closes(1002)}},
		{"5.1 continuation without a mask", "a client MUST mask", steps{sends(first, second.unmasked()), closes(1002)}},
		{"5.1 ping without a mask", "a client MUST mask", steps{sends(pingFrame("1").unmasked()), closes(1002)}},
		{"5.1 pong without a mask", "a client MUST mask", steps{sends(pongFrame("").unmasked()), closes(1002)}},
		{"5.1 close without a mask", "a client MUST mask", steps{sends(closeFrame(1000, "").unmasked()), closes(1002)}},
		{"5.1 the header of a frame without a mask", "is enough", steps{sends(text.unmasked().header()), closes(1002)}},

		{"5.2 length with its first bit set", "of 64, which MUST be 0", steps{sends(textFrame("").claiming(1 << 63)), closes(1002)}},
		{"5.2 length of all ones", "of 64, the first of which MUST be 0", steps{sends(binaryFrame("").claiming(1<<64 - 1)), closes(1002)}},
		{"5.2 length 0 in 16 bits", "the least number of octets MUST be used", steps{sends(textFrame("").sizedIn(2)), closes(1002)}},
		{"5.2 length 125 in 16 bits", "the least number of octets MUST be used", steps{
			sends(textFrame(pingMessage("1", 125)).sizedIn(2)), closes(1002),
		}},
		{"5.2 length 125 in 64 bits", "the least number of octets MUST be used", steps{
			sends(textFrame(pingMessage("1", 125)).sizedIn(8)), closes(1002),
		}},
		{"5.2 length 65,535 in 64 bits", "the least number of octets MUST be used", steps{
			sends(textFrame(pingMessage("1", 65535)).sizedIn(8)), closes(1002),
		}},
		{"5.2 ping's length in 16 bits", "the least number of octets MUST be used", steps{sends(pingFrame("1").sizedIn(2)), closes(1002)}},
		{"5.2 length 126 in 16 bits", "is the least", steps{sends(textFrame(pingMessage("1", 126)).sizedIn(2)), gets(answerTo("1")), lives}},

		{"7.4.1 frame at MAX_FRAME_SIZE", "is taken", steps{sends(textFrame(pingMessage("1", most))), gets(answerTo("1")), lives}},
		{"7.4.1 frame over MAX_FRAME_SIZE", "is refused", steps{sends(textFrame(pingMessage("1", most+1))), tooLarge, closes(1009)}},
		{"7.4.1 frame far over MAX_FRAME_SIZE", "its octets are read, and forgotten", steps{
			sends(textFrame(pingMessage("1", 1<<20))), tooLarge, closes(1009),
		}},
		{"7.4.1 binary over MAX_FRAME_SIZE", "is refused", steps{sends(binaryFrame(strings.Repeat("\xfe", most+1))), tooLarge, closes(1009)}},
		{"7.4.1 header over MAX_FRAME_SIZE", "is enough: no octet of the payload is waited for", steps{
			sends(textFrame("").claiming(most + 1)), tooLarge, closes(1009),
		}},
		{"7.4.1 header of 2^63-1 octets", "is enough", steps{sends(textFrame("").claiming(1<<63 - 1)), tooLarge, closes(1009)}},
		{"7.4.1 header of 2^63-1 octets after a fragment", "does not overflow", steps{
			sends(start, contFrame("").claiming(1<<63-1)), tooLarge, closes(1009),
		}},
		{"7.4.1 header over MAX_FRAME_SIZE, octet by octet", "is enough", steps{
			octets(textFrame("").claiming(most + 1)), tooLarge, closes(1009),
		}},
		{"7.4.1 fragments of MAX_FRAME_SIZE", "are taken", steps{
			sends(fragments(pingMessage("1", most), 1000)...), gets(answerTo("1")), lives,
		}},
		{"7.4.1 fragments over MAX_FRAME_SIZE", "are refused by the header that passes it", steps{
			sends(start, contFrame("").claiming(most-40000+1)), tooLarge, closes(1009),
		}},
		{"7.4.1 unfinished fragments over MAX_FRAME_SIZE", "need no end", steps{
			sends(start, start.asContinuation()), tooLarge, closes(1009),
		}},
		{"7.4.1 control frames between fragments", "do not count", steps{
			sends(start, pingFrame(long125), contFrame(pingMessage("1", most-40000))), gets(pongOf(long125), answerTo("1")), lives,
		}},
		{"7.4.1 the message after a long one", "counts from zero", steps{
			sends(append(fragments(pingMessage("1", most), 40000), fragments(pingMessage("2", most), 40000)...)...),
			gets(answerTo("1"), answerTo("2")), lives,
		}},
	}
}
