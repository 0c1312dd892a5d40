package e2e_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"syscall"
	"testing"
)

// TestHistoryInOneProcess: in development mode, topics that begin with history. have history. A client in Node comes back and gets what
// it missed; and so it does after the process was killed, and started again on its data.
func TestHistoryInOneProcess(t *testing.T) {
	t.Parallel()
	env := []string{"PORT=0", "DATA_DIR=" + t.TempDir(), "JWT_SECRET=" + secret}
	d := launchDev(t, env...)
	var first struct {
		Before, Missed []int
		Again          struct {
			Status    string
			Offset    int
			Epoch     string
			Duplicate bool
		}
		Resumed bool
		Topics  []string
	}
	runScript(t, "resume.js", fmt.Sprintf(`comeBack("ws://%s/ws", %q, %q)`, d.addr, mint(t, "alice"), mint(t, "bob")), &first)
	if a := first.Again; a.Status != "stored" || a.Offset != 5 || !a.Duplicate {
		t.Errorf("what was sent again is acked with %+v", a)
	}
	if !first.Resumed || !reflect.DeepEqual(first.Topics, []string{"history.lobby"}) ||
		!reflect.DeepEqual(first.Before, []int{1, 2, 3}) || !reflect.DeepEqual(first.Missed, []int{4, 5, 6}) {
		t.Errorf("it came back to %+v", first)
	}

	d.signal(syscall.SIGKILL)
	<-d.done
	d = launchDev(t, env...)
	var second struct {
		Page, Missed []int
		Offset       int
		Epoch        string
		Complete     bool
		Position     struct {
			Offset    int
			Recovered bool
		}
	}
	runScript(t, "resume.js", fmt.Sprintf(`remember("ws://%s/ws", %q, {offset: 4, epoch: %q})`, d.addr, mint(t, "alice"), first.Again.Epoch), &second)
	if !reflect.DeepEqual(second.Page, []int{1, 2, 3, 4, 5, 6}) || !second.Complete || second.Offset != 6 || second.Epoch != first.Again.Epoch ||
		!second.Position.Recovered || second.Position.Offset != 6 || !reflect.DeepEqual(second.Missed, []int{5, 6}) {
		t.Errorf("after a kill -9 it knows %+v", second)
	}
	d.terminate(patience)
}

// runScript runs a promise of a script of testdata in Node, and reads what it gives.
func runScript(t *testing.T, file, call string, into any) {
	t.Helper()
	path, args := nodeArgs(t)
	script := fmt.Sprintf(`%s.then((r) => { console.log(JSON.stringify(r)); process.exit(); }, (e) => { console.error(e); process.exit(1); });`, call)
	p := launchProgram(t, nil, nil, path, append(args, "-r", "./testdata/"+file, "-e", script)...)
	p.wait(patience)
	if err := json.Unmarshal([]byte(p.stdout.String()), into); err != nil {
		t.Fatalf("%s printed %q, %s", call, p.stdout.String(), p.stderr.String())
	}
}
