package cluster

import "testing"

// StartTest starts spec for a test, which fails when it cannot, and ends it when
// the test ends. Logs are among the test's artifacts; their ends are printed
// when it fails.
func StartTest(t testing.TB, spec Spec) *Cluster {
	t.Helper()
	if spec.LogDir == "" {
		spec.LogDir = t.ArtifactDir()
	}
	c, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range c.Processes() {
				t.Log(p.LogTail())
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
