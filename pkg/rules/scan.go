package rules

import (
	"strings"

	"github.com/tidwall/gjson"
)

// The scanner walks JSON without decoding it. What it is given is valid: gateways have checked it. Of anything
// else it makes something, without reading beyond its end and without standing still.

// skipSpace returns where the next token begins.
func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the end of the string that begins at i.
func skipString(s string, i int) int {
	for j := i + 1; j < len(s); {
		k := strings.IndexByte(s[j:], '"')
		if k < 0 {
			break
		}
		end := j + k
		escapes := 0
		for end-escapes-1 > i && s[end-escapes-1] == '\\' {
			escapes++
		}
		if j = end + 1; escapes%2 == 0 {
			return j
		}
	}
	return len(s)
}

// skipValue returns the end of the value that begins at i.
func skipValue(s string, i int) int {
	if i >= len(s) {
		return len(s)
	}
	switch s[i] {
	case '"':
		return skipString(s, i)
	case '{', '[':
	default:
		for i++; i < len(s) && !ends[s[i]]; i++ {
		}
		return i
	}
	for depth := 0; i < len(s); {
		switch s[i] {
		case '"':
			i = skipString(s, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(s)
}

// ends are the bytes that end a number, true, false or null.
var ends = [256]bool{',': true, ']': true, '}': true, ' ': true, '\n': true, '\t': true, '\r': true}

// item returns the value at or behind i within a list or an object, and where to look for the next one.
// It reports false at the end.
func item(s string, i int) (value string, next int, ok bool) {
	begin := skipSpace(s, i)
	if begin >= len(s) || s[begin] == ']' || s[begin] == '}' {
		return "", begin, false
	}
	end := skipValue(s, begin)
	next = skipSpace(s, end)
	if next < len(s) && (s[next] == ',' || s[next] == ':') {
		next++
	}
	return s[begin:end], next, true
}

// unquote returns the text of a JSON string; it is the string's own where nothing in it is escaped.
func unquote(raw string) string {
	if len(raw) < 2 {
		return ""
	}
	if text := raw[1 : len(raw)-1]; strings.IndexByte(text, '\\') < 0 {
		return text
	}
	return gjson.Parse(raw).Str
}
