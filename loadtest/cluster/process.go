package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one process of the cluster. Its methods may be called from any
// goroutine; Kill, Stop and Restart at the same time take turns.
type Process struct {
	// static
	Name    string // also NODE_NAME
	Role    Role
	Port    int    // of HTTP and /ws; of clients for NATS and Redis
	LogFile string // output of all its lives
	Links   *Links // with Spec.Links, of realtime processes
	monitor int    // NATS only: port of its HTTP monitoring
	path    string
	args    []string
	env     []string
	ready   func(context.Context, *Process) error
	timeout time.Duration // for getting ready

	turn sync.Mutex // held by whoever changes the life of the process

	mu   sync.Mutex // guards what follows
	life *life      // the latest, nil before the first
}

// life is one run of a process, from start to exit.
type life struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process was waited for
}

// ErrNotRunning is returned by what needs a running process.
var ErrNotRunning = errors.New("process is not running")

// start runs the process and waits until it is ready. turn is held.
func (p *Process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = p.env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = sysProcAttr()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	l := &life{cmd: cmd, exited: make(chan struct{})}
	p.mu.Lock()
	p.life = l
	p.mu.Unlock()
	go func() {
		defer close(l.exited)
		_ = cmd.Wait() // its result is in cmd.ProcessState
	}()
	return p.waitReady(ctx, l)
}

func (p *Process) waitReady(ctx context.Context, l *life) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	var why error // the latest answer that was not cut short by ctx
	for {
		err := p.ready(ctx, p)
		if err == nil {
			return nil
		}
		if why == nil || ctx.Err() == nil {
			why = err
		}
		select {
		case <-l.exited:
			return fmt.Errorf("start %s: it ended with %v\n%s", p.Name, l.cmd.ProcessState, p.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("start %s: not ready: %w: %w\n%s", p.Name, ctx.Err(), why, p.LogTail())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// Ready asks once whether the process is ready; nil means yes.
func (p *Process) Ready(ctx context.Context) error {
	if !p.Running() {
		return fmt.Errorf("%s: %w", p.Name, ErrNotRunning)
	}
	return p.ready(ctx, p)
}

// Running reports whether the process is alive, be it paused.
func (p *Process) Running() bool {
	_, err := p.current()
	return err == nil
}

// PID is the process id, or 0 when it does not run.
func (p *Process) PID() int {
	l, err := p.current()
	if err != nil {
		return 0
	}
	return l.cmd.Process.Pid
}

// Exited is closed when the current life of the process has ended.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life.exited
}

// Kill ends the process by SIGKILL and waits for its end.
func (p *Process) Kill() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	return p.kill()
}

func (p *Process) kill() error {
	l, err := p.current()
	if err != nil {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	if err := l.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-l.exited
	return nil
}

// Stop sends SIGTERM, waits for the end and returns the exit code. When ctx ends
// first, the process is killed and the error says so.
func (p *Process) Stop(ctx context.Context) (code int, err error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	l, err := p.current()
	if err != nil {
		return -1, fmt.Errorf("stop %s: %w", p.Name, err)
	}
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return -1, fmt.Errorf("stop %s: %w", p.Name, err)
	}
	select {
	case <-l.exited:
		return l.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		_ = p.kill()
		return -1, fmt.Errorf("stop %s: did not end by itself: %w\n%s", p.Name, ctx.Err(), p.LogTail())
	}
}

// Pause stops the process by SIGSTOP: it holds its sockets and does nothing.
func (p *Process) Pause() error {
	if err := p.signal("pause", syscall.SIGSTOP); err != nil {
		return err
	}
	if err := awaitStopped(p.PID()); err != nil {
		return fmt.Errorf("pause %s: %w", p.Name, err)
	}
	return nil
}

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal("resume", syscall.SIGCONT) }

func (p *Process) signal(what string, sig syscall.Signal) error {
	l, err := p.current()
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, p.Name, err)
	}
	if err := l.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("%s %s: %w", what, p.Name, err)
	}
	return nil
}

// Restart starts the process again, with the same name, port and settings, and
// waits until it is ready. When it still runs it is killed first.
func (p *Process) Restart(ctx context.Context) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.Running() {
		if err := p.kill(); err != nil {
			return err
		}
	}
	return p.start(ctx)
}

func (p *Process) current() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil {
		return nil, ErrNotRunning
	}
	select {
	case <-p.life.exited:
		return nil, ErrNotRunning
	default:
		return p.life, nil
	}
}

// LogTail is the end of the log, about 8 kB.
func (p *Process) LogTail() string {
	b, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	const keep = 8 << 10
	text := string(b)
	if len(text) > keep {
		text = text[len(text)-keep:]
		if _, after, ok := strings.Cut(text, "\n"); ok {
			text = after
		}
		text = "…\n" + text
	}
	return fmt.Sprintf("--- %s\n%s", p.LogFile, text)
}
