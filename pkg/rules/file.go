package rules

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/metric"
	"github.com/realtime-cluster/realtime/pkg/settings/document"
)

// pollInterval is how often the file is read.
const pollInterval = time.Second

// FileOptions are what Open needs to know.
type FileOptions struct {
	Options
	Log     *zap.Logger
	Factory metric.Factory // of the metrics of the file; those of messages are of the roles
}

// File is a file of rules that is read again when it changes. A nil File is one without rules.
type File struct {
	path    string
	options Options
	log     *zap.Logger
	current atomic.Pointer[Set]

	// owned by Run
	good   []byte // the text of the rules in force
	follow *document.Follower

	ok       prometheus.Gauge
	at       prometheus.Gauge
	rules    prometheus.Gauge
	failures prometheus.Counter
}

// Open reads the file of a path. The error has a line for each mistake. Without a path there are no rules: the File
// is nil.
func Open(path string, o FileOptions) (*File, error) {
	if path == "" {
		return nil, nil
	}
	body, err := document.Load(path)
	if err != nil {
		return nil, err
	}
	set, err := Parse(document.Name(path), body, o.Options)
	if err != nil {
		return nil, err
	}
	f := &File{
		path: path, options: o.Options, log: o.Log, good: body,
		ok:       o.Factory.Gauge(metric.RulesReloadSuccessful),
		at:       o.Factory.Gauge(metric.RulesReloadTime),
		rules:    o.Factory.Gauge(metric.RulesLoaded),
		failures: o.Factory.Counter(metric.RulesReloadFailures),
	}
	if err := o.Factory.Err(); err != nil {
		return nil, err
	}
	f.follow = document.Follow(path, body)
	f.use(set)
	return f, nil
}

// Current is the rules in force. It may be called by any goroutine.
func (f *File) Current() *Set {
	if f == nil {
		return nil
	}
	return f.current.Load()
}

func (f *File) use(set *Set) {
	f.current.Store(set)
	f.ok.Set(1)
	f.at.SetToCurrentTime()
	f.rules.Set(float64(set.Len()))
}

// Run reads the file every second until ctx ends, and puts what it says into force. A bad file changes nothing but
// the metrics and the log.
func (f *File) Run(ctx context.Context) error {
	if f == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			f.poll()
		}
	}
}

func (f *File) poll() {
	body, changed, err := f.follow.Poll()
	if !changed {
		return
	}
	if err == nil && bytes.Equal(body, f.good) {
		f.ok.Set(1)
		f.log.Info("rules: the file is again what is in force", zap.String("file", f.path))
		return
	}
	var set *Set
	if err == nil {
		set, err = Parse(document.Name(f.path), body, f.options)
	}
	if err != nil {
		f.ok.Set(0)
		f.failures.Inc()
		f.log.Error("rules: the file is not used, the old rules stay", zap.String("file", f.path),
			zap.String("error", strings.ReplaceAll(err.Error(), "\n", "; ")))
		return
	}
	f.good = body
	f.use(set)
	f.log.Info("rules: loaded", zap.String("file", f.path), zap.Int("rules", set.Len()))
}
