// Package settings reads the settings file: what is configured by pattern, and so does not fit a variable
// of the environment.
package settings

import (
	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/settings/document"
)

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
	text, err := document.Load(file)
	if err != nil {
		return Settings{}, err
	}
	return Parse(document.Name(file), text)
}

// Parse reads the text of a settings file, one YAML document. The error has a line for each mistake that it
// found, in the order of the file:
//
//	name:4: history[0].size: must be 1 to 1000000
func Parse(name string, text []byte) (Settings, error) {
	r := reader{document.NewReader(name)}
	var s Settings
	if root := r.Document(text); root != nil {
		r.Fields(root, "", document.Fields{
			"history": func(v document.Value) { s.History = r.policy(v) },
		})
	}
	if err := r.Err(); err != nil {
		return Settings{}, err
	}
	return s, nil
}
