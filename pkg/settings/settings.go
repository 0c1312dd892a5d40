// Package settings reads the settings file: what is configured by pattern, and so does not fit a variable
// of the environment.
package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/realtime-cluster/realtime/pkg/history"
)

// maxFile is the length of a settings file at most, in bytes.
const maxFile = 1 << 20

// Settings is what a settings file says. Its zero value is that of an empty file.
type Settings struct {
	History history.Policy // which topics and rooms have history; defaults are filled in
}

// Dev is what holds in development mode without a settings file: names that begin with "history." have history.
func Dev() Settings {
	names := []string{"history.>"}
	return Settings{History: history.Policy{{
		Name: "dev", Topics: names, Rooms: names, Size: history.DefaultSize, Age: history.DefaultAge,
	}}}
}

// Read reads the settings file of a name. The error has a line for each mistake that it found.
func Read(file string) (Settings, error) {
	name := file
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	text, err := load(file)
	if err != nil {
		return Settings{}, fmt.Errorf("%s: %w", name, err)
	}
	return Parse(name, text)
}

func load(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err == nil && len(text) > maxFile {
			return nil, errors.New("is longer than 1MiB")
		}
		if err == nil {
			return text, nil
		}
	}
	if path := new(fs.PathError); errors.As(err, &path) {
		err = path.Err
	}
	return nil, fmt.Errorf("cannot be read: %w", err)
}

// Parse reads the text of a settings file, one YAML document. The error has a line for each mistake that it
// found, in the order of the file:
//
//	name:4: history[0].size: must be 1 to 1000000
func Parse(name string, text []byte) (Settings, error) {
	r := reader{name: name}
	var s Settings
	if root := r.document(text); root != nil {
		r.fields(root, "", map[string]read{
			"history": func(v value) { s.History = r.policy(v) },
		})
	}
	if err := r.err(); err != nil {
		return Settings{}, err
	}
	return s, nil
}
