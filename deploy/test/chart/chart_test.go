package chart

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write README.md and values.schema.json of the chart")

// TestMade: README.md and values.schema.json are what values.yaml and the settings of the binary make of them.
func TestMade(t *testing.T) {
	values, err := Values()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := Readme(values)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := Schema(values)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"README.md": readme, "values.schema.json": schema} {
		file := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): cd deploy/test && go test ./chart -update", name, err)
		}
	}
}
