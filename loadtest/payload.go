package loadtest

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// mark is what a message says about itself.
type mark struct {
	pub, n int
	sent   time.Duration // since the run began
}

// payload writes m as JSON of exactly size bytes.
func (m mark) payload(size int) string {
	b := make([]byte, 0, size)
	b = append(b, `{"p":`...)
	b = strconv.AppendInt(b, int64(m.pub), 10)
	b = append(b, `,"n":`...)
	b = strconv.AppendInt(b, int64(m.n), 10)
	b = append(b, `,"t":`...)
	b = strconv.AppendInt(b, int64(m.sent), 10)
	b = append(b, `,"x":"`...)
	pad := max(0, size-len(b)-len(`"}`))
	b = append(b, strings.Repeat("x", pad)...)
	return string(append(b, `"}`...))
}

// readMark reads a payload back. It says no when any byte differs from what
// payload would have written.
func readMark(text string, size int) (mark, bool) {
	p := gjson.Parse(text)
	m := mark{int(p.Get("p").Int()), int(p.Get("n").Int()), time.Duration(p.Get("t").Int())}
	return m, m.payload(size) == text
}
