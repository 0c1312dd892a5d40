// Package backbone is the NATS of a process: the embedded server where there is
// no other, and connections that come back by themselves, say so once, and are
// measured.
package backbone

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// AnyPort as EmbeddedConfig.Port lets the system pick a free port.
const AnyPort = server.RANDOM_PORT

// readyTimeout bounds the start of the embedded server, most of which is reading
// back what JetStream stored.
const readyTimeout = time.Minute

// EmbeddedConfig configures the NATS server of this process.
type EmbeddedConfig struct {
	DataDir string // JetStream's files go to its directory nats; made if missing
	// SyncAlways says that what is acknowledged was written to disk before, so that it outlives a power loss; without
	// it NATS does that every two minutes.
	SyncAlways bool

	Port int    // on 127.0.0.1, without authentication; 0: in-process only
	Name string // server name; empty: a random one
	Log  *zap.Logger
}

// Embedded is a NATS server with JetStream in this process. It is safe for
// concurrent use.
type Embedded struct {
	server *server.Server
	log    *serverLog
	lock   *os.File // holds the data directory until Shutdown
}

// StartEmbedded starts a NATS server and returns when it accepts connections.
// Its errors are one line each and begin with the setting to mend, DATA_DIR or
// EMBEDDED_NATS_PORT, where there is one.
func StartEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	dir := filepath.Join(cfg.DataDir, "nats")
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	e := &Embedded{lock: lock, log: newServerLog(cfg.Log)}
	if err := e.start(cfg, dir); err != nil {
		e.Shutdown()
		return nil, err
	}
	return e, nil
}

func (e *Embedded) start(cfg EmbeddedConfig, dir string) error {
	ns, err := server.NewServer(&server.Options{
		ServerName: cfg.Name,
		Host:       "127.0.0.1",
		Port:       cfg.Port,
		DontListen: cfg.Port == 0,
		JetStream:  true,
		StoreDir:   dir,
		SyncAlways: cfg.SyncAlways,
		NoSigs:     true,
	})
	if err != nil {
		return fmt.Errorf("embedded NATS: %w", err)
	}
	e.server = ns
	ns.SetLoggerV2(e.log, false, false, false)
	started := make(chan struct{})
	go func() {
		defer close(started)
		ns.Start() // returns after Fatalf, too
	}()
	select {
	case <-started:
	case <-time.After(readyTimeout):
		return fmt.Errorf("DATA_DIR: the data in %s could not be read within %v", dir, readyTimeout)
	}

	select {
	case reason := <-e.log.fatal:
		if strings.Contains(reason, "address already in use") {
			return fmt.Errorf("EMBEDDED_NATS_PORT: 127.0.0.1:%d is already in use", cfg.Port)
		}
		return fmt.Errorf("embedded NATS: %s", reason)
	default:
	}
	if !ns.ReadyForConnections(time.Second) {
		return errors.New("embedded NATS: started, but accepts no connections")
	}
	return nil
}

// InProcessConn makes Embedded a server for ConnConfig.Server.
func (e *Embedded) InProcessConn() (net.Conn, error) { return e.server.InProcessConn() }

// URL is where the server listens; empty when it is in-process only.
func (e *Embedded) URL() string {
	addr, ok := e.server.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	return "nats://" + addr.String()
}

// Shutdown stops the server and waits until it has stopped and its files are
// closed. Connections should be closed before; those that are not see a
// disconnect. A second call does nothing.
func (e *Embedded) Shutdown() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	_ = e.lock.Close() // unlocks; nothing was written to it
}

// lockDir makes dir and locks it: two servers on the same files destroy them.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", dir, cause(err))
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot write to %s: %w", dir, cause(err))
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another process", dir)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	return file, nil
}

// cause is what the system said, without the path that the caller names anyway.
func cause(err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		return path.Err
	}
	return err
}
