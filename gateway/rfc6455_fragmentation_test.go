package gateway_test

// fragmentationCases are messages in several frames.
func fragmentationCases() []rfcCase {
	message := pingMessage("1", 0)
	first, second := halves(message)
	text := textFrame(pingMessage("2", 0))
	ping, nothing := pingFrame("ping payload"), contFrame("non-continuation payload")
	five := fragments(message, (len(message)+4)/5)
	withPings := func(send func(...rfcFrame) rfcStep) steps {
		return steps{
			send(five[0], five[1], pingFrame("pongme 1!")),
			gets(pongOf("pongme 1!")), // before there is more of the message
			send(five[2], five[3], pingFrame("pongme 2!"), five[4]),
			gets(pongOf("pongme 2!"), answerTo("1")), lives,
		}
	}
	return []rfcCase{
		{"5.1", "ping in two fragments", steps{sends(pingFrame("fragment1").unfinished(), contFrame("fragment2")), closes(1002)}},
		{"5.2", "pong in two fragments", steps{sends(pongFrame("fragment1").unfinished(), contFrame("fragment2")), closes(1002)}},
		{"5.3", "text in two fragments", steps{sends(first, second), gets(answerTo("1")), lives}},
		{"5.4", "the same, each by itself", steps{sendsEach(first, second), gets(answerTo("1")), lives}},
		{"5.5", "the same, octet by octet", steps{octets(first, second), gets(answerTo("1")), lives}},
		{"5.6", "a ping between fragments", steps{sends(first, ping, second), gets(pongOf("ping payload"), answerTo("1")), lives}},
		{"5.7", "the same, each by itself", steps{sendsEach(first, ping, second), gets(pongOf("ping payload"), answerTo("1")), lives}},
		{"5.8", "the same, octet by octet", steps{octets(first, ping, second), gets(pongOf("ping payload"), answerTo("1")), lives}},
		{"5.9", "a last continuation of nothing, then text", steps{sends(nothing, text), closes(1002)}},
		{"5.10", "the same, each by itself", steps{sendsEach(nothing, text), closes(1002)}},
		{"5.11", "the same, octet by octet", steps{octets(nothing, text), closes(1002)}},
		{"5.12", "a continuation of nothing, then text", steps{sends(nothing.unfinished(), text), closes(1002)}},
		{"5.13", "the same, each by itself", steps{sendsEach(nothing.unfinished(), text), closes(1002)}},
		{"5.14", "the same, octet by octet", steps{octets(nothing.unfinished(), text), closes(1002)}},
		{"5.15", "text in two fragments, a continuation of nothing, text", steps{
			sends(first, second, nothing.unfinished(), text), gets(answerTo("1")), closes(1002),
		}},
		{"5.16", "a continuation of nothing, text in two fragments: twice", steps{
			sends(nothing.unfinished(), first, second, nothing.unfinished(), first, second), closes(1002),
		}},
		{"5.17", "a last continuation of nothing, text in two fragments: twice", steps{
			sends(nothing, first, second, nothing, first, second), closes(1002),
		}},
		{"5.18", "a second fragment that says text", steps{sends(first, textFrame("fragment2")), closes(1002)}},
		{"5.19", "five fragments, pings between them, a wait in the middle", withPings(sends)},
		{"5.20", "the same, each by itself", withPings(sendsEach)},

		{"10.1.1", "text of 65,536 octets in fragments of 1,300", steps{echoes(65536, 1300, 0), lives}},

		{"5.4 binary between fragments", "a message must end before the next", steps{sends(first, binaryFrame("fragment2")), closes(1002)}},
		{"5.4 binary in fragments", "is still binary, UTF-8 or not", steps{
			sends(binaryFrame("\xff").unfinished(), contFrame("\xfe").unfinished(), contFrame("{}")), gets(errorOf(400)), lives,
		}},
		{"5.4 empty fragments", "are fragments", steps{
			sends(textFrame("").unfinished(), first.asContinuation(), contFrame("").unfinished(), second.unfinished(), contFrame("")),
			gets(answerTo("1")), lives,
		}},
		{"5.4 fragments of one octet", "each by itself, and again", steps{
			sendsEach(fragments(message, 1)...), gets(answerTo("1")),
			octets(fragments(message, 1)...), gets(answerTo("1")), lives,
		}},
		{"5.4 fragmented messages in a row", "one does not run into the next", steps{
			sends(append(fragments(pingMessage("1", 200), 50), fragments(pingMessage("2", 300), 7)...)...),
			gets(answerTo("1"), answerTo("2")), lives,
		}},
		{"5.4 pong between fragments", "is ignored", steps{sends(first, pongFrame("?"), second), gets(answerTo("1")), lives}},
		{"5.5 close in two fragments", "a control frame is whole", steps{
			sends(closeFrame(1000, "").unfinished(), contFrame("")), closes(1002),
		}},
		{"5.5 ping with FIN 0 between fragments", "a control frame is whole", steps{sends(first, ping.unfinished(), second), closes(1002)}},
	}
}

// asContinuation makes a frame of any data a continuation.
func (f rfcFrame) asContinuation() rfcFrame { f.op = opCont; return f }
