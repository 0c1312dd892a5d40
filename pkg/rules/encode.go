package rules

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxDepth is how deeply lists and maps that an expression makes may be nested.
const maxDepth = 100

var (
	errDeep = errors.New("the result is nested too deeply")
	errLong = errors.New("the result is too long")
)

// encode appends v as JSON, most bytes of it at most. What came from JSON is copied as it was written, the members
// of other maps are sorted by name.
func encode(b []byte, v ref.Val, most int) ([]byte, error) {
	e := encoder{b: b, end: len(b) + most}
	err := e.value(v, 0)
	if err == nil && len(e.b) > e.end {
		err = errLong
	}
	return e.b, err
}

type encoder struct {
	b   []byte
	end int // the length that b may come to
}

func (e *encoder) value(v ref.Val, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	if len(e.b) > e.end {
		return errLong
	}
	switch v := v.(type) {
	case *list:
		e.b = append(e.b, v.raw...)
	case *object:
		e.b = append(e.b, v.raw...)
	case types.String:
		e.b = appendString(e.b, string(v))
	case types.Bool:
		e.b = strconv.AppendBool(e.b, bool(v))
	case types.Int:
		e.b = strconv.AppendInt(e.b, int64(v), 10)
	case types.Uint:
		e.b = strconv.AppendUint(e.b, uint64(v), 10)
	case types.Double:
		return e.double(float64(v))
	case types.Null:
		e.b = append(e.b, "null"...)
	case types.Bytes:
		e.b = append(e.b, '"')
		e.b = base64.StdEncoding.AppendEncode(e.b, v)
		e.b = append(e.b, '"')
	case types.Timestamp:
		e.b = appendString(e.b, v.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		e.b = append(e.b, '"')
		e.b = strconv.AppendFloat(e.b, v.Seconds(), 'f', -1, 64)
		e.b = append(e.b, 's', '"')
	case traits.Mapper:
		return e.mapper(v, depth)
	case traits.Lister:
		return e.lister(v, depth)
	case *types.Err:
		return v
	default:
		return fmt.Errorf("the result is a %s, which JSON does not have", v.Type().TypeName())
	}
	return nil
}

// double writes a number as JavaScript does.
func (e *encoder) double(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("the result is a number that JSON does not have")
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	e.b = strconv.AppendFloat(e.b, f, format, -1, 64)
	return nil
}

func (e *encoder) lister(v traits.Lister, depth int) error {
	e.b = append(e.b, '[')
	first := true
	for it := v.Iterator(); it.HasNext() == types.True; first = false {
		if !first {
			e.b = append(e.b, ',')
		}
		if err := e.value(it.Next(), depth+1); err != nil {
			return err
		}
	}
	e.b = append(e.b, ']')
	return nil
}

func (e *encoder) mapper(v traits.Mapper, depth int) error {
	n, _ := v.Size().(types.Int)
	keys := make([]string, 0, n)
	for it := v.Iterator(); it.HasNext() == types.True; {
		key, ok := it.Next().(types.String)
		if !ok {
			return errors.New("the result has a map whose keys are not strings")
		}
		keys = append(keys, string(key))
	}
	slices.Sort(keys)
	e.b = append(e.b, '{')
	for i, key := range keys {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = append(appendString(e.b, key), ':')
		if err := e.value(v.Get(types.String(key)), depth+1); err != nil {
			return err
		}
	}
	e.b = append(e.b, '}')
	return nil
}

// literal are the bytes that stand for themselves in a JSON string, those of ASCII.
var literal = func() (is [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

const hex = "0123456789abcdef"

// appendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if literal[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[done:i]...), "\ufffd"...)
				done = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[done:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		done = i
	}
	return append(append(b, s[done:]...), '"')
}
