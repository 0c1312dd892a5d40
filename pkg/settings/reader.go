package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxMistakes is how many mistakes of a file are told.
const maxMistakes = 20

// reader reads a document, and notes what is wrong with it.
type reader struct {
	name     string // of the file
	mistakes []mistake
}

type mistake struct {
	line int
	text string
}

// value is a node and where it is, such as history[0].size.
type value struct {
	*yaml.Node
	path string
}

// read reads the value of a field.
type read func(v value)

func (r *reader) wrong(line int, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	r.mistakes = append(r.mistakes, mistake{line, text})
}

// err is all mistakes, nil where there are none.
func (r *reader) err() error {
	slices.SortStableFunc(r.mistakes, func(a, b mistake) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for i, m := range r.mistakes {
		if i == maxMistakes {
			errs = append(errs, fmt.Errorf("%s: and %d mistakes more", r.name, len(r.mistakes)-i))
			break
		}
		where := r.name
		if m.line > 0 {
			where += ":" + strconv.Itoa(m.line)
		}
		errs = append(errs, errors.New(where+": "+m.text))
	}
	return errors.Join(errs...)
}

// document reads the one document that text may have. It returns nil where there is none, or nothing in it.
func (r *reader) document(text []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	err := d.Decode(&first)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if err = d.Decode(&second); err == nil {
			r.wrong(second.Line, "", "a second document: there is only one")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	if len(first.Content) != 1 || null(first.Content[0]) {
		return nil
	}
	return resolve(first.Content[0])
}

var atLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntax notes what the YAML parser says.
func (r *reader) syntax(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if m := atLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, text)
	if strings.Contains(text, "unknown anchor") || strings.Contains(text, "alphabetic or numeric character") {
		text += " (a pattern that begins with * or > needs quotes)"
	}
	r.wrong(line, "", "%s", text)
}

// fields reads a mapping, each field by the read of its name. It returns which there are.
func (r *reader) fields(n *yaml.Node, path string, known map[string]read) map[string]bool {
	there := make(map[string]bool)
	if n.Kind != yaml.MappingNode {
		r.wrong(n.Line, path, "must be fields: %s", names(known))
		return there
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		field := key.Value
		at := strings.TrimPrefix(path+"."+field, ".")
		read := known[field]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			r.wrong(n.Content[i].Line, path, "%s: no such field, there are: %s", quote(field), names(known))
		case there[field]:
			r.wrong(n.Content[i].Line, at, "given twice")
		default:
			there[field] = true
			read(value{resolve(n.Content[i+1]), at})
		}
	}
	return there
}

func names(known map[string]read) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// items reads a list of at most most items. No value is an empty list.
func (r *reader) items(v value, most int, read read) {
	switch {
	case null(v.Node):
	case v.Kind != yaml.SequenceNode:
		r.wrong(v.Line, v.path, "must be a list")
	case len(v.Content) > most:
		r.wrong(v.Line, v.path, "must have at most %d items, has %d", most, len(v.Content))
	default:
		for i, n := range v.Content {
			read(value{resolve(n), fmt.Sprintf("%s[%d]", v.path, i)})
		}
	}
}

// text is the text of a value, whatever YAML takes it for; false where it has none.
func (v value) text() (string, bool) {
	return v.Value, v.Kind == yaml.ScalarNode && !null(v.Node)
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// quote writes text for an error line, shortened.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return strconv.Quote(text)
}
