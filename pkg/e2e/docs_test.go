package e2e_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// blocks returns the code blocks of a language in a Markdown file.
func blocks(t *testing.T, path, language string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	return list
}

// TestReadme runs the README's example as it stands there.
func TestReadme(t *testing.T) {
	t.Parallel()
	_, addr := launchAll(t)
	js := blocks(t, "../../README.md", "js")
	i := slices.IndexFunc(js, func(s string) bool { return strings.Contains(s, "process.env.BOB") })
	if i < 0 || !strings.Contains(js[i], "localhost:8081") {
		t.Fatalf("no such example in the README: %q", js)
	}
	script := filepath.Join(t.TempDir(), "talk.mjs")
	if err := os.WriteFile(script, []byte(strings.Replace(js[i], "localhost:8081", addr, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	path, args := nodeArgs(t)
	p := launchProgram(t, nil, []string{"ALICE=" + mint(t, "alice"), "BOB=" + mint(t, "bob")}, path, append(args, script)...)
	if code := p.wait(patience); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{
		`(?m)^alice .*"message_id":"DirectMessage0","status":"queued"`,
		`(?m)^bob .*"from_user":"alice","payload":"are you there\?".*"queued":true`,
		`(?m)^bob .*"status":"joined".*"member_count":2`,
		`(?m)^bob .*"type":"RoomMessage".*"payload":"I am now"`,
		`(?m)^alice .*"user_id":"bob","status":"online"`,
	} {
		if !regexp.MustCompile(want).MatchString(p.stdout.String()) {
			t.Errorf("no %s", want)
		}
	}
}

// TestProtocolIsDocumented: every message type of the code is in docs/PROTOCOL.md and docs/asyncapi.yaml, every
// status in the latter, and the examples are JSON.
func TestProtocolIsDocumented(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	prose, api := read("../../docs/PROTOCOL.md"), read("../../docs/asyncapi.yaml")
	sources, err := filepath.Glob("../protocol/*.go")
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]bool)
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile("Type[A-Za-z]+ += \"(\\w+)\"|head\\(b, \"(\\w+)\"|`\\{\"type\":\"(\\w+)\"").FindAllStringSubmatch(read(path), -1) {
			types[m[1]+m[2]+m[3]] = true
		}
	}
	if len(types) < 20 {
		t.Errorf("only %d message types found: %v", len(types), types)
	}
	for name := range types {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(prose) {
			t.Errorf("%s is not in PROTOCOL.md", name)
		}
		if !strings.Contains(api, "type: { const: "+name+" }") {
			t.Errorf("%s is not in asyncapi.yaml", name)
		}
	}
	for _, m := range regexp.MustCompile(`"status":"(\w+)","details"`).FindAllStringSubmatch(prose, -1) {
		if !strings.Contains(api, "- "+m[1]+"\n") {
			t.Errorf("status %s is not in asyncapi.yaml", m[1])
		}
	}
	for _, block := range blocks(t, "../../docs/PROTOCOL.md", "json") {
		for d := json.NewDecoder(strings.NewReader(block)); ; {
			var message struct {
				Type string
				Data json.RawMessage
			}
			err := d.Decode(&message)
			if err == io.EOF {
				break
			}
			if err != nil || !types[message.Type] || len(message.Data) == 0 {
				t.Errorf("%v in %s", err, block)
				break
			}
		}
	}
}
