// Package cluster runs the real binary as real processes on loopback: NATS
// servers, a Redis, gateways, routers, presence nodes, or whole nodes in one process. A
// test may kill, stop, pause and restart each of them. No process outlives the
// cluster, nor, on Linux, the process that started it.
package cluster

import "time"

// Spec says what to start.
type Spec struct {
	NATS int // servers of one NATS cluster; 3 is the number that survives a loss
	// Cores are further servers of that cluster, without JetStream. Where there are some, realtime processes connect to these only:
	// so JetStream can be taken away, and NATS stays.
	Cores     int
	Gateways  int
	Routers   int
	Presences int
	All       int // `realtime all` processes: with the NATS servers, or without any each by itself with an embedded one

	// Redis says to start a redis-server, which every realtime process gets to know.
	// Without it REDIS_URL is not set.
	Redis bool

	// Links says that each realtime process reaches each NATS server and Redis through
	// a proxy of its own, see Process.Links.
	Links bool

	// NATSConfig is the text of the configuration file of every NATS server, beside what Start says on the command line.
	NATSConfig string
	// Data names the directory in which a NATS server or an All keeps its data; by default it goes with the cluster.
	Data func(process string) string

	// Settings is the text of the settings file of every realtime process; none when
	// it is empty.
	Settings string
	// Env holds NAME=value settings of every realtime process. They come after
	// the cluster's own and win.
	Env []string
	// Secret is JWT_SECRET; a fixed one by default.
	Secret string
	// Binary is the realtime binary; by default it is built from the module, with
	// Tags.
	Binary string
	Tags   string // build tags, separated by commas
	// LogDir receives <name>.log of each process; by default it goes with the cluster.
	LogDir string
	// ReadyTimeout bounds the wait for each process to be ready; 30 s by default.
	ReadyTimeout time.Duration
}

// Role is a command of the binary, or NATS or Redis.
type Role string

// The roles.
const (
	NATS     Role = "nats"
	Redis    Role = "redis"
	All      Role = "all"
	Gateway  Role = "gateway"
	Router   Role = "router"
	Presence Role = "presence"
)

const defaultSecret = "loadtest-secret-of-thirty-two-bytes-or-more"

func (s Spec) withDefaults() Spec {
	if s.Secret == "" {
		s.Secret = defaultSecret
	}
	if s.ReadyTimeout <= 0 {
		s.ReadyTimeout = 30 * time.Second
	}
	return s
}
