//go:build linux && powercut

package main

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// TestPowerCut plays every scenario shortly. It needs root and /dev/fuse, so that it is only there when it is asked for:
// go test -tags powercut ./loadtest/powercut/...
func TestPowerCut(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			set, err := parseSettings([]string{"-cuts", "3", "-load", "1500ms", "-cost", "0", "-logs", t.ArtifactDir()}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			rep, err := s.play(t.Context(), &set, 0, &log)
			if err != nil {
				t.Fatalf("seed %d: %v", set.seed, err)
			}
			fmt.Fprintln(&log)
			printHead(&log)
			rep.print(&log)
			if t.Logf("seed %d\n%s", set.seed, &log); !rep.ok() {
				t.Error("not as it must be")
			}
		})
	}
}
