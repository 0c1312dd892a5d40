package settings

import (
	"bytes"
	"context"
	"errors"
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

// File follows a settings file.
type File struct {
	path string
	use  func(Settings) error
	log  *zap.Logger
	bad  atomic.Bool

	// owned by Run
	good   []byte // the text of the settings in force
	follow *document.Follower
	again  []byte // the text of good settings that could not be used yet; nil: none
	said   string // why

	ok       prometheus.Gauge
	at       prometheus.Gauge
	failures prometheus.Counter
}

// Open reads the file of a path again, and returns what it says now. Run calls use with what it says later, and again each second
// while that fails.
func Open(path string, use func(Settings) error, log *zap.Logger, f metric.Factory) (*File, Settings, error) {
	text, err := document.Load(path)
	if err != nil {
		return nil, Settings{}, err
	}
	s, err := Parse(document.Name(path), text)
	if err != nil {
		return nil, Settings{}, err
	}
	file := &File{
		path: path, use: use, log: log, good: text, follow: document.Follow(path, text),
		ok:       f.Gauge(metric.SettingsReloadSuccessful),
		at:       f.Gauge(metric.SettingsReloadTime),
		failures: f.Counter(metric.SettingsReloadFailures),
	}
	file.inForce()
	return file, s, f.Err()
}

func (f *File) inForce() {
	f.ok.Set(1)
	f.at.SetToCurrentTime()
	f.bad.Store(false)
}

// Health reports that the file is bad or gone, and older settings in force; nil when it is not.
func (f *File) Health() error {
	if f.bad.Load() {
		return errors.New("the settings file is not used: older settings are in force")
	}
	return nil
}

// Run reads the file every second until ctx ends, and has used what it says. A bad file changes nothing but the metrics, Health and the log.
func (f *File) Run(ctx context.Context) error {
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
	text, changed, err := f.follow.Poll()
	switch {
	case changed:
		f.again, f.said = nil, ""
	case f.again != nil:
		text = f.again
	default:
		return
	}
	if err == nil && bytes.Equal(text, f.good) {
		f.ok.Set(1)
		f.bad.Store(false)
		f.log.Info("settings: the file is again what is in force", zap.String("file", f.path))
		return
	}
	var s Settings
	if err == nil {
		s, err = Parse(document.Name(f.path), text)
	}
	if err == nil {
		if err = f.use(s); err != nil {
			f.again = text
		}
	}
	if err != nil {
		f.refuse(err)
		return
	}
	f.good, f.again = text, nil
	f.inForce()
	f.log.Info("settings: loaded", zap.String("file", f.path), zap.Int("history_rules", len(s.History)))
}

// refuse notes, once for each reason, that the file is not used.
func (f *File) refuse(err error) {
	why := strings.ReplaceAll(err.Error(), "\n", "; ")
	if why == f.said {
		return
	}
	f.said = why
	f.ok.Set(0)
	f.bad.Store(true)
	f.failures.Inc()
	f.log.Error("settings: the file is not used, the old settings stay", zap.String("file", f.path), zap.String("error", why))
}
