package gateway_test

import "strings"

// oneFrame is a size that no message of the tests reaches.
const oneFrame = 1 << 20

// framingCases are payloads of every length at which the header changes.
var framingCases = []rfcCase{
	{"1.1.1", "text, empty: no JSON, and no reason to close", steps{sends(textFrame("")), gets(errorOf(400)), lives}},
	{"1.1.2", "text of 125 octets", steps{echoes(125, oneFrame, 0), lives}},
	{"1.1.3", "text of 126 octets", steps{echoes(126, oneFrame, 0), lives}},
	{"1.1.4", "text of 127 octets", steps{echoes(127, oneFrame, 0), lives}},
	{"1.1.5", "text of 128 octets", steps{echoes(128, oneFrame, 0), lives}},
	{"1.1.6", "text of 65,535 octets", steps{echoes(65535, oneFrame, 0), lives}},
	{"1.1.7", "text of 65,536 octets", steps{echoes(65536, oneFrame, 0), lives}},
	{"1.1.8", "text of 65,536 octets, in chops of 997", steps{echoes(65536, oneFrame, 997), lives}},

	{"1.2.1", "binary, empty: the protocol has none, and no reason to close", binaryError(0, 0)},
	{"1.2.2", "binary of 125 octets", binaryError(125, 0)},
	{"1.2.3", "binary of 126 octets", binaryError(126, 0)},
	{"1.2.4", "binary of 127 octets", binaryError(127, 0)},
	{"1.2.5", "binary of 128 octets", binaryError(128, 0)},
	{"1.2.6", "binary of 65,535 octets", binaryError(65535, 0)},
	{"1.2.7", "binary of 65,536 octets", binaryError(65536, 0)},
	{"1.2.8", "binary of 65,536 octets, in chops of 997", binaryError(65536, 997)},

	{"5.3 no-op key", "a masking key of zeros is a key", steps{
		sends(textFrame(pingMessage("1", 0)).maskedWith([4]byte{})), gets(answerTo("1")), lives,
	}},
	{"5.3 another key for each frame", "the next key is not that of the frame before", steps{
		sends(
			textFrame(pingMessage("1", 0)).maskedWith([4]byte{0xff, 0xff, 0xff, 0xff}).unfinished(),
			pingFrame("in between").maskedWith([4]byte{1, 2, 3, 4}),
			contFrame(" ").maskedWith([4]byte{0, 0, 0, 1}),
		),
		gets(pongOf("in between"), answerTo("1")), lives,
	}},
	{"5.2 text that is no JSON", "costs an Error", steps{sends(textFrame("Hello, world!")), gets(errorOf(400)), lives}},
	{"5.2 many messages in one piece", "each is answered, in order", steps{
		sends(textFrame(pingMessage("1", 0)), textFrame(pingMessage("2", 300)), textFrame(pingMessage("3", 0)), textFrame("4")),
		gets(answerTo("1"), answerTo("2"), answerTo("3"), errorOf(400)), lives,
	}},
}

// binaryError is a binary message of n octets, which costs an Error.
func binaryError(n, chop int) steps {
	return steps{chops(chop, binaryFrame(strings.Repeat("\xfe", n))), gets(errorOf(400)), lives}
}
