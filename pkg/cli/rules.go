package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/rules"
	"github.com/realtime-cluster/realtime/pkg/settings/document"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

const rulesUsage = `Usage: realtime rules check FILE...
       realtime rules test FILE -message JSON [-user NAME] [-roles A,B]

check reads files of routing rules and tells all mistakes: exit code 0 or 1.

test tells what the rules of a file make of a message, rule by rule. Nothing is sent.
  -message JSON  the message as a client sends it; @NAME reads it from a file, - from standard input:
                 {"type":"Broadcast","data":{"topic":"chat.a","payload":{"text":"hello"}}}
  -user NAME     the sender (default alice)
  -roles A,B     the sender's roles
`

// Rules runs a command about files of routing rules. It returns the exit code: 1 for a bad file or message, 2 for
// a bad call.
func Rules(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case AsksHelp(args):
		fmt.Fprint(stdout, rulesUsage)
		return 0
	case len(args) > 0 && args[0] == "check":
		return checkRules(args[1:], stdout, stderr)
	case len(args) > 0 && args[0] == "test":
		return testRules(args[1:], stdin, stdout, stderr)
	}
	fmt.Fprint(stderr, rulesUsage)
	return 2
}

func loadRules(file string) (*rules.Set, error) {
	text, err := document.Load(file)
	if err != nil {
		return nil, err
	}
	return rules.Parse(document.Name(file), text, rules.Options{})
}

func checkRules(files []string, stdout, stderr io.Writer) int {
	if AsksHelp(files) {
		fmt.Fprint(stdout, rulesUsage)
		return 0
	}
	if len(files) == 0 {
		fmt.Fprint(stderr, rulesUsage)
		return 2
	}
	code := 0
	for _, file := range files {
		set, err := loadRules(file)
		if err != nil {
			fmt.Fprintln(stderr, err)
			code = 1
			continue
		}
		fmt.Fprintf(stdout, "%s: good, %d rules\n", document.Name(file), set.Len())
	}
	return code
}

func testRules(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("rules test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	message := flags.String("message", "", "")
	user := flags.String("user", "alice", "")
	roles := flags.String("roles", "", "")
	var file string
	for len(args) > 0 { // the file may stand before the flags, and behind them
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprint(stdout, rulesUsage)
				return 0
			}
			fmt.Fprintln(stderr, "realtime:", err)
			return 2
		}
		if args = flags.Args(); len(args) > 0 {
			if file != "" {
				fmt.Fprintf(stderr, "realtime: unexpected argument %q\n", args[0])
				return 2
			}
			file, args = args[0], args[1:]
		}
	}
	if file == "" || *message == "" {
		fmt.Fprint(stderr, rulesUsage)
		return 2
	}
	set, err := loadRules(file)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	m, err := readMessage(*message, stdin)
	if err != nil {
		fmt.Fprintln(stderr, "realtime: message:", err)
		return 1
	}
	m.User, m.Roles = *user, strings.ReplaceAll(*roles, ",", "\n")
	steps, verdict := rules.Explain(set, m, time.Now())
	for _, s := range steps {
		printStep(stdout, s)
	}
	printVerdict(stdout, m, verdict)
	return 0
}

// maxMessage is the length of a message at most that test reads, in bytes.
const maxMessage = 16 << 20

// readMessage reads a message as clients write it: from the argument itself, a file, or standard input.
func readMessage(arg string, stdin io.Reader) (*rules.Message, error) {
	text := []byte(arg)
	if name, ok := strings.CutPrefix(arg, "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin, arg = f, "-"
	}
	if arg == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(stdin, maxMessage)); err != nil {
			return nil, err
		}
	}
	var frame struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Data struct {
			Topic   string          `json:"topic"`
			Room    string          `json:"room"`
			Target  string          `json:"target_user"`
			Payload json.RawMessage `json:"payload"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &frame); err != nil {
		return nil, err
	}
	m := &rules.Message{Payload: frame.Data.Payload, MessageID: cmp.Or(frame.ID, "test"), SentAt: time.Now().UnixMilli()}
	var field string
	switch frame.Type {
	case rules.Broadcast.String():
		m.Kind, m.Key, field = rules.Broadcast, frame.Data.Topic, "data.topic"
	case rules.RoomMessage.String():
		m.Kind, m.Key, field = rules.RoomMessage, frame.Data.Room, "data.room"
	case rules.DirectMessage.String():
		m.Kind, m.Key, field = rules.DirectMessage, frame.Data.Target, "data.target_user"
	default:
		return nil, fmt.Errorf("type: must be %s, %s or %s", rules.Broadcast, rules.RoomMessage, rules.DirectMessage)
	}
	switch {
	case m.Key == "":
		return nil, fmt.Errorf("%s: required", field)
	case len(m.Payload) == 0:
		return nil, errors.New("data.payload: required")
	}
	if m.Kind == rules.DirectMessage {
		if auth.ValidateUser(m.Key) != nil {
			return nil, fmt.Errorf("%s: must be 1 to %d bytes of UTF-8 without control characters", field, auth.MaxUser)
		}
		return m, nil
	}
	if err := topic.Validate(m.Key); err != nil { // the names of rooms follow the same rules
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return m, nil
}

func printStep(w io.Writer, s rules.Step) {
	switch {
	case s.Skipped != "":
		fmt.Fprintf(w, "%s: not asked, %s\n", s.Rule, s.Skipped)
		return
	case s.Matched:
		fmt.Fprintf(w, "%s: matches\n", s.Rule)
	default:
		fmt.Fprintf(w, "%s: does not match\n", s.Rule)
	}
	if s.When != "" {
		value := fmt.Sprint(s.Matched)
		if s.Error != "" {
			value = "error: " + s.Error
		}
		fmt.Fprintf(w, "  when %s\n    is %s\n", s.When, value)
	}
	for _, d := range s.Actions {
		result := d.Result
		if d.Error != "" {
			result = "error: " + d.Error
		}
		fmt.Fprintln(w, strings.TrimRight("  "+d.Action+": "+result, ": "))
	}
	if s.Failed != "" {
		fmt.Fprintf(w, "  failed: %s\n", s.Failed)
	}
}

func printVerdict(w io.Writer, m *rules.Message, v *rules.Verdict) {
	if v == nil {
		v = new(rules.Verdict)
	}
	fmt.Fprintf(w, "outcome: %s", v.Action)
	switch v.Action {
	case rules.Pass, rules.Redirect:
		to := v.To
		if v.Action == rules.Pass {
			to = rules.Target{Kind: m.Kind, Key: m.Key}
		}
		payload := v.Payload
		if !v.Changed {
			payload = m.Payload
		}
		fmt.Fprintf(w, ", to %s\n", to)
		printContent(w, payload, v.Metadata)
	case rules.Reject:
		fmt.Fprintf(w, " by %s: Error %d %s\n", v.Rule, v.Code, v.Message)
	case rules.Limited:
		fmt.Fprintf(w, " by %s: Error 429, to come again in %s\n", v.Rule, v.Wait)
	default:
		fmt.Fprintf(w, " by %s\n", v.Rule)
	}
	for _, c := range v.Copies {
		fmt.Fprintf(w, "copy: to %s\n", c.Target)
		printContent(w, c.Payload, c.Metadata)
	}
}

func printContent(w io.Writer, payload []byte, metadata string) {
	fmt.Fprintf(w, "  payload: %s\n", payload)
	if metadata != "" {
		fmt.Fprintf(w, "  metadata: {%s}\n", metadata)
	}
}
