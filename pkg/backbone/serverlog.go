package backbone

import (
	"fmt"

	"go.uber.org/zap"
)

// serverLog is the logger of the embedded server. It passes warnings and errors
// on; the first fatal message goes to fatal, where StartEmbedded waits for it.
// NATS itself limits how often it repeats a message.
type serverLog struct {
	log   *zap.Logger
	fatal chan string
}

func newServerLog(log *zap.Logger) *serverLog {
	return &serverLog{log: log.Named("nats-server"), fatal: make(chan string, 1)}
}

// Fatalf is called where the server cannot start; unlike the server's own logger
// it must not end the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	reason := fmt.Sprintf(format, v...)
	select {
	case l.fatal <- reason:
	default:
		l.log.Error(reason)
	}
}

// Errorf passes an error on.
func (l *serverLog) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }

// Warnf passes a warning on.
func (l *serverLog) Warnf(format string, v ...any) { l.log.Warn(fmt.Sprintf(format, v...)) }

// Noticef drops what the server tells about its ordinary course.
func (l *serverLog) Noticef(string, ...any) {}

// Debugf is never called: debugging is off.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef is never called: tracing is off.
func (l *serverLog) Tracef(string, ...any) {}
