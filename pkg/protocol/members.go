package protocol

import (
	"iter"
	"strings"

	"github.com/tidwall/gjson"
)

// members yields the keys of a JSON object and the raw text of their values, in order. The
// text is known to be valid JSON; one that is no object has no members. Unlike gjson's
// ForEach it decodes no value: a payload is to be passed on as it is.
func members(object string) iter.Seq2[string, string] {
	return func(yield func(key, raw string) bool) {
		i := skipSpace(object, 0)
		if i == len(object) || object[i] != '{' {
			return
		}
		for i = skipSpace(object, i+1); object[i] != '}'; {
			end := skipString(object, i)
			key := object[i+1 : end-1]
			if strings.IndexByte(key, '\\') >= 0 {
				key = gjson.Parse(object[i:end]).Str
			}
			i = skipSpace(object, skipSpace(object, end)+1) // over the colon
			end = skipValue(object, i)
			if !yield(key, object[i:end]) {
				return
			}
			if i = skipSpace(object, end); object[i] == ',' {
				i = skipSpace(object, i+1)
			}
		}
	}
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i.
func skipString(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index behind the value that begins at i.
func skipValue(s string, i int) int {
	for depth := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = skipString(s, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i // of the object around a number or literal
			}
			depth--
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
			continue
		default: // within a number or literal, or at a colon
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}
