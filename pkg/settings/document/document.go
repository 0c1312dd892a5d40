// Package document reads a YAML document by hand, so that whatever is wrong with it is told with its line and its
// path, all of it at once:
//
//	settings.yaml:4: history[0].size: must be 1 to 1000000
package document

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

// MaxMistakes is how many mistakes of a file are told.
const MaxMistakes = 20

// Reader reads a document, and notes what is wrong with it.
type Reader struct {
	name     string // of the file
	mistakes []mistake
}

// NewReader returns a reader of the file of a name.
func NewReader(name string) *Reader { return &Reader{name: name} }

// Mistakes counts what was found wrong up to now.
func (r *Reader) Mistakes() int { return len(r.mistakes) }

type mistake struct {
	line int
	text string
}

// Value is a node and where it is, such as history[0].size.
type Value struct {
	*yaml.Node
	Path string
}

// Read reads the value of a field, or an item of a list.
type Read func(v Value)

// Fields are the fields that a mapping may have, each with its Read.
type Fields map[string]Read

// Wrong notes a mistake in a line, 0 where it is not known, at a path.
func (r *Reader) Wrong(line int, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	r.mistakes = append(r.mistakes, mistake{line, text})
}

// Err is all mistakes, a line for each in the order of the file; nil where there are none.
func (r *Reader) Err() error {
	slices.SortStableFunc(r.mistakes, func(a, b mistake) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for i, m := range r.mistakes {
		if i == MaxMistakes {
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

// Document reads the one document that text may have. It returns nil where there is none, or nothing in it.
func (r *Reader) Document(text []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	err := d.Decode(&first)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if err = d.Decode(&second); err == nil {
			r.Wrong(second.Line, "", "a second document: there is only one")
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
func (r *Reader) syntax(err error) {
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
	r.Wrong(line, "", "%s", text)
}

// Fields reads a mapping, each field by the Read of its name. It returns which there are.
func (r *Reader) Fields(n *yaml.Node, path string, known Fields) map[string]bool {
	there := make(map[string]bool)
	if n.Kind != yaml.MappingNode {
		r.Wrong(n.Line, path, "must be fields: %s", names(known))
		return there
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		field := key.Value
		at := strings.TrimPrefix(path+"."+field, ".")
		read := known[field]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			r.Wrong(n.Content[i].Line, path, "%s: no such field, there are: %s", Quote(field), names(known))
		case there[field]:
			r.Wrong(n.Content[i].Line, at, "given twice")
		default:
			there[field] = true
			read(Value{resolve(n.Content[i+1]), at})
		}
	}
	return there
}

func names(known Fields) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// Items reads a list of at most most items. No value is an empty list.
func (r *Reader) Items(v Value, most int, read Read) {
	switch {
	case null(v.Node):
	case v.Kind != yaml.SequenceNode:
		r.Wrong(v.Line, v.Path, "must be a list")
	case len(v.Content) > most:
		r.Wrong(v.Line, v.Path, "must have at most %d items, has %d", most, len(v.Content))
	default:
		for i, n := range v.Content {
			read(Value{resolve(n), fmt.Sprintf("%s[%d]", v.Path, i)})
		}
	}
}

// Text is the text of a value, whatever YAML takes it for; false where it has none.
func (v Value) Text() (string, bool) {
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

// Quote writes text for an error line, shortened.
func Quote(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return strconv.Quote(text)
}
