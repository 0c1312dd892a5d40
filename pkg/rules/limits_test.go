package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
)

// TestRunaway: no expression takes long, whatever the payload is. Each of these would take minutes or fill the
// memory; that the test ends at all is a part of what it shows.
func TestRunaway(t *testing.T) {
	numbers := "[" + strings.Repeat("1,", 30_000) + "2]"
	objects := "[" + strings.Repeat(`{"a":[1,2,3]},`, 4000) + `{"a":[]}]`
	words := `{"a":"` + strings.Repeat("ab ", 20_000) + `","b":"` + strings.Repeat("x", 2000) + `"}`
	deep := strings.Repeat("[", 32_000) + strings.Repeat("]", 32_000)
	for expr, payload := range map[string]string{
		`payload.all(a, payload.all(b, payload.all(c, a + b + c > 0)))`:                                                           numbers,
		`payload.map(a, payload.map(b, payload)).size() == 1`:                                                                     numbers,
		`payload.all(a, payload == payload.map(x, x))`:                                                                            objects,
		`payload.exists(a, payload == payload.filter(x, true))`:                                                                   objects,
		`payload.all(a, !(a in payload) || payload + payload != [])`:                                                              objects,
		`payload.all(a, string(payload.size()) + "x" != "")`:                                                                      numbers,
		doubled(`[1]`, 30) + ` == ` + doubled(`[1]`, 30):                                                                          numbers,
		doubled(`[payload]`, 20) + ` == ` + doubled(`[payload]`, 20):                                                              numbers,
		`payload.a.split("").map(a, payload.a.replace("a", "` + zeros(64) + `")) != []`:                                           words,
		`payload.a.split("").all(a, payload.a.replace("a", "b") != a)`:                                                            words,
		`payload.a.split("").join("` + zeros(64) + `").replace("0", "` + zeros(64) + `").replace("0", "` + zeros(64) + `") == ""`: words,
		`payload.a.split("").all(a, payload.a.matches("^(a|b| )*c$") || true)`:                                                    words,
		strings.TrimSuffix(strings.Repeat("payload.a+", 50), "+") + ` == ""`:                                                      words,
		nested(40) + ` != []`: numbers,
		`payload[0][0][0][0][0][0][0] == [] || ` + strings.TrimSuffix(strings.Repeat("payload[0].all(x, x.all(y, y.all(z, payload == [z]))) &&", 3), "&&"): deep,
	} {
		x, mistakes := compile(expr, cel.BoolType)
		if mistakes != nil {
			t.Errorf("%.80s: %v", expr, mistakes)
			continue
		}
		var s scope
		s.begin(&Message{Payload: []byte(payload)})
		if v, err := x.eval(&s); err == nil || !errors.Is(err, errLimit) {
			t.Errorf("%.80s: %v, %v: was not cut off", expr, v, err)
		}
	}
}

func zeros(n int) string { return strings.Repeat("0", n) }

// doubled is a list that has n lists in it, each with the next twice: 2ⁿ elements in a line.
func doubled(list string, n int) string {
	return list + strings.Repeat(".map(x,[x,x])", n)
}

func nested(n int) string {
	expr := "payload"
	for i := range n {
		expr = fmt.Sprintf("payload.map(v%d, %s)", i, expr)
	}
	return expr
}

// TestResults: what an expression gives is bounded too.
func TestResults(t *testing.T) {
	for expr, want := range map[string]error{
		`[payload, payload, payload]`:                                 errLong,
		`{"a": payload, "b": [payload, payload]}`:                     errLong,
		doubled(`[1]`, 7):                                             nil,
		`[` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `]`: nil,
	} {
		x, mistakes := compile(expr, cel.DynType)
		if mistakes != nil {
			t.Errorf("%.80s: %v", expr, mistakes)
			continue
		}
		var s scope
		s.begin(&Message{Payload: []byte("[" + strings.Repeat("1,", 1000) + "2]")})
		v, err := x.eval(&s)
		if err != nil {
			t.Errorf("%.80s: %v", expr, err)
			continue
		}
		if b, err := encode(nil, v, 4096); !errors.Is(err, want) {
			t.Errorf("%.80s: %d bytes, %v, want %v", expr, len(b), err, want)
		}
	}
}
