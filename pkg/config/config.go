// Package config declares every setting of the binary once: its name in the
// environment, its flag, its default, its bounds and what it means. Load reads
// them for one command, a flag before the environment before the default, and
// checks them all before anything starts.
package config

import (
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/settings"
	"github.com/realtime-cluster/realtime/pkg/web"
)

// The commands that have settings. CommandAll runs every role in one process; the last four
// ask the processes of a cluster.
const (
	CommandAll        = "all"
	CommandGateway    = "gateway"
	CommandRouter     = "router"
	CommandPresence   = "presence"
	CommandToken      = "token"
	CommandTop        = "top"
	CommandInfo       = "info"
	CommandDrain      = "drain"
	CommandDisconnect = "disconnect"
)

// Commands are all of them, in the order in which they are documented.
var Commands = []string{
	CommandAll, CommandGateway, CommandRouter, CommandPresence, CommandToken,
	CommandTop, CommandInfo, CommandDrain, CommandDisconnect,
}

// Config holds the settings of one command, checked and complete: defaults are
// filled in. Settings the command does not use have their zero value.
type Config struct {
	Command         string        // the command these are for, one of the Command constants
	Dev             bool          // development mode; only with CommandAll
	NodeName        string        // a label for people, not unique; never empty in a role
	ShutdownTimeout time.Duration // from SIGTERM to the end of the process
	User            string        // whom a token is for, or who is to be disconnected

	SettingsFile string            // a file name; empty when unset
	Settings     settings.Settings // what SettingsFile says
	RulesFile    string            // a file name; empty when unset

	HTTP     HTTP
	Auth     Auth
	NATS     NATS
	Redis    Redis
	Gateway  Gateway
	Router   Router
	Presence Presence
	History  History
	Log      Log
	Token    Token
	Control  Control
}

// HTTP is where a role listens.
type HTTP struct {
	Host string
	Port int // 0 picks a free one
}

// Auth is how tokens are verified and, by the token command, signed. Outside
// development mode a gateway has at least one of Secret, PublicKey and JWKSURL.
type Auth struct {
	Secret    auth.Secret // HS256, 32 bytes or more; empty when unset
	PublicKey string      // PEM, as auth.Config takes it; empty when unset
	JWKSURL   URL         // http or https; empty when unset
	Issuer    string      // empty: iss is not checked
	Audience  string      // empty: aud is not checked
	Leeway    time.Duration

	RefreshTTL time.Duration // of a refresh token, from when it was minted
}

// NATS is how a role reaches NATS, or where the embedded server keeps its data.
type NATS struct {
	URLs           []URL  // with scheme; empty: run the embedded server
	Credentials    string // a file name; empty when unset
	ConnectTimeout time.Duration
	Connections    int // per role
	DataDir        string
	SyncAlways     bool // of the embedded server, see backbone.EmbeddedConfig
	EmbeddedPort   int  // 0: the embedded server has no TCP listener
}

// Redis is how a role reaches Redis.
type Redis struct {
	URL URL // as store.Config takes it; empty: use the embedded store
}

// Gateway holds the limits and timers of client connections.
type Gateway struct {
	MaxConnections    int
	MaxPerUser        int         // connections on all gateways; 0: any number
	MaxPerAddress     int         // connections of this gateway; 0: any number
	AdmitRate         int         // new connections a second; 0: any number
	TrustedProxies    web.Proxies // empty: none
	AddressRate       RateLimit   // of requests to the pages about tokens, by address
	HeartbeatInterval time.Duration
	ClientTimeout     time.Duration // longer than HeartbeatInterval
	HandshakeTimeout  time.Duration
	RequestTimeout    time.Duration
	MaxFrameSize      int // bytes
	OutboxSize        int // bytes, at least twice MaxFrameSize
	MaxSubscriptions  int
	MaxWatched        int      // users that one connection watches
	AllowedOrigins    []string // as web.ParseOrigin returns them
	RateLimit         RateLimit
	SessionTTL        time.Duration // 0: sessions are not resumed
	DrainPeriod       time.Duration // 0: all clients are told goodbye at once; at least DrainMargin shorter than ShutdownTimeout
	Loops             int           // 1 to 64
}

// RateLimit bounds the messages that clients send: of one connection, of one user over all gateways, and of all.
type RateLimit struct {
	Enabled     bool
	RPS         int // messages a second of one connection; 0: no limit
	Burst       int // messages
	UserRPS     int // the same of one user
	UserBurst   int
	GlobalRPS   int // the same of all
	GlobalBurst int
}

// Router holds what the owners of keys use, presence nodes included.
type Router struct {
	Lanes int // 1 to 64
}

// Presence holds the limits and times of users and rooms.
type Presence struct {
	QueueTTL         time.Duration // 0: no message is queued
	QueueMaxMessages int           // of one user
	QueueMaxBytes    int           // of one user
	RoomGrace        time.Duration // 0 to an hour
	MaxRooms         int           // of one user; gateways have it, too
	MaxRoomMembers   int           // of a room that names no capacity
	LastSeenTTL      time.Duration
	RoomReplicas     int // 1 to 5; 0: three where the NATS cluster has as many servers, else one
}

// History holds what the owners of topics and rooms with history use. Which these are, Settings says.
type History struct {
	DedupeWindow time.Duration
	Memory       int // bytes, of all owners of the process together
}

// Log is how much is logged and in which shape.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // json or console
}

// Token is what the token command writes into the JWT.
type Token struct {
	TTL       time.Duration
	Roles     []string
	Publish   []string // topic patterns; nil: no such claim
	Subscribe []string // topic patterns; nil: no such claim

	Permissions []string
	Refresh     bool // a refresh token, too
}

// Control is what the commands that ask the processes of a cluster are told.
type Control struct {
	Node     string        // a node's name or the ID of a process; empty: every one
	Interval time.Duration // between two looks
	Once     bool
	JSON     bool
}
