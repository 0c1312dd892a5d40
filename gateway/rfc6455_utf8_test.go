package gateway_test

import (
	"fmt"
	"strings"
)

const (
	greek   = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" // κόσμε
	hello   = "Hello-µ@ßöäüàá-UTF-8!!"
	tooHigh = "\xf4\x90\x80\x80" // would be U+110000
)

// utf8Cases are texts, valid and not. A valid one is the id of a Ping, and has to come
// back byte for byte.
func utf8Cases() []rfcCase {
	ping := pingFrame("")
	cut := strings.Index(pingMessage(hello, 0), "üàá")
	bad := greek + tooHigh + "edited"
	chopped := textFrame(bad).bytes()
	at := len(chopped) - len(bad) // of the payload
	cases := []rfcCase{
		{"6.1.1", "an empty text", steps{sends(textFrame("")), gets(errorOf(400)), lives}},
		{"6.1.2", "three empty fragments", steps{
			sends(textFrame("").unfinished(), contFrame("").unfinished(), contFrame("")), gets(errorOf(400)), lives,
		}},
		{"6.1.3", "a fragment between two that are empty", steps{
			sends(textFrame("").unfinished(), contFrame(pingMessage("1", 0)).unfinished(), contFrame("")), gets(answerTo("1")), lives,
		}},
		{"6.2.1", "in one frame", steps{sends(textFrame(pingMessage(hello, 0))), gets(answerTo(hello)), lives}},
		{"6.2.2", "cut between runes", steps{sends(fragments(pingMessage(hello, 0), cut)...), gets(answerTo(hello)), lives}},
		{"6.2.3", "cut within runes", steps{sends(fragments(pingMessage(hello, 0), 1)...), gets(answerTo(hello)), lives}},
		{"6.2.4", "cut within longer runes", steps{sends(fragments(pingMessage(greek, 0), 1)...), gets(answerTo(greek)), lives}},
		{"6.3.1", "not UTF-8, in one frame", steps{sends(textFrame(badReason)), closes(1007)}},
		{"6.3.2", "not UTF-8, in fragments of one octet", steps{sends(fragments(badReason, 1)...), closes(1007)}},
		{"6.4.1", "the fragment that is not UTF-8 ends it", steps{
			sends(textFrame(greek).unfinished(), ping), gets(pongOf("")), sends(contFrame(tooHigh).unfinished()), closes(1007),
		}},
		{"6.4.2", "the octet that is not UTF-8 ends it", steps{
			sends(textFrame(bad[:12]).unfinished(), ping), gets(pongOf("")), sends(contFrame(bad[12:13]).unfinished()), closes(1007),
		}},
		// Within one frame Autobahn would have us fail at once too, but calls it non-strict not to:
		// the gateway looks at a frame when it is whole.
		{"6.4.3", "the same in chops of one frame", steps{
			sendsRaw(chopped[:at+len(greek)]), sendsRaw(chopped[at+len(greek) : at+len(greek)+4]), sendsRaw(chopped[at+len(greek)+4:]),
			closes(1007),
		}},
		{"6.4.4", "the same in chops of one frame", steps{
			sendsRaw(chopped[:at+12]), sendsRaw(chopped[at+12 : at+13]), sendsRaw(chopped[at+13:]), closes(1007),
		}},
		{"8.1 text that ends within a rune", "is not UTF-8", steps{
			sends(textFrame(greek[:1]).unfinished(), contFrame("")), closes(1007),
		}},
		{"8.1 a rune does not go on in the next message", "each is UTF-8 by itself", steps{
			sends(textFrame(greek[:1]), textFrame(greek[1:])), closes(1007),
		}},
	}
	for i, group := range utf8Sequences() {
		for j, s := range group {
			cases = append(cases, utf8Case(fmt.Sprintf("6.%d.%d", i+5, j+1), s)...)
		}
	}
	return cases
}

// utf8Case is a sequence in a frame, in fragments of one octet, and in a close frame.
func utf8Case(name string, s utf8Sequence) []rfcCase {
	about := fmt.Sprintf("% x", s.text)
	end, message, answer := closes(1007), s.text, steps{closes(1007)}
	if s.valid {
		end, message, answer = closes(1000), pingMessage(s.text, 0), steps{gets(answerTo(s.text)), lives}
	}
	if s.text == "\x00" {
		// Valid UTF-8, but no octet of JSON.
		message, answer = `"`+s.text+`"`, steps{gets(errorOf(400)), lives}
	}
	return []rfcCase{
		{name, about, append(steps{sends(textFrame(message))}, answer...)},
		{name + " in octets", about, append(steps{sends(fragments(message, 1)...)}, answer...)},
		{name + " as a reason", about, steps{sends(closeFrame(1000, s.text)), end}},
	}
}

type utf8Sequence struct {
	text  string
	valid bool
}

// utf8Sequences are those of Autobahn, from Markus Kuhn's UTF-8 decoder stress test: the
// groups 6.5 to 6.23, in order.
func utf8Sequences() [][]utf8Sequence {
	valid := func(list ...string) []utf8Sequence { return utf8List(true, list) }
	invalid := func(list ...string) []utf8Sequence { return utf8List(false, list) }
	var prefixes []utf8Sequence
	for n := range len(greek) {
		whole := strings.Contains(" 2 5 7 9 11 ", fmt.Sprintf(" %d ", n+1))
		prefixes = append(prefixes, utf8Sequence{greek[:n+1], whole})
	}
	missing := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	return [][]utf8Sequence{
		valid("hello$world", "hello\xc2\xa2world", "hello\xe2\x82\xacworld", "hello\xf0\xa4\xad\xa2world", greek),
		prefixes,
		valid("\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"),
		invalid("\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"),
		valid("\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"),
		invalid("\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"),
		append(valid("\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf"), invalid(tooHigh)...),
		invalid("\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf",
			octetRange(0x80, 0xbf, "")),
		invalid(octetRange(0xc0, 0xdf, " "), octetRange(0xe0, 0xef, " "), octetRange(0xf0, 0xf7, " "),
			octetRange(0xf8, 0xfb, " "), octetRange(0xfc, 0xfd, " ")),
		invalid(missing...),
		invalid(strings.Join(missing, "")),
		invalid("\xfe", "\xff", "\xfe\xfe\xff\xff"),
		invalid("\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"),
		invalid("\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"),
		invalid("\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"),
		invalid("\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"),
		invalid("\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"),
		valid(noncharacters()...),
		valid("\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc", "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf"),
	}
}

func utf8List(valid bool, list []string) (out []utf8Sequence) {
	for _, text := range list {
		out = append(out, utf8Sequence{text, valid})
	}
	return out
}

// octetRange is the octets from first up to and without end, each with what follows it.
func octetRange(first, end byte, after string) string {
	var b strings.Builder
	for o := first; o < end; o++ {
		b.WriteByte(o)
		b.WriteString(after)
	}
	return b.String()
}

// noncharacters are the last two code points of each plane: not characters, but UTF-8.
func noncharacters() (list []string) {
	for plane := range rune(17) {
		list = append(list, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return list
}
