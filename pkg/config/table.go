package config

import (
	"math"
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/store"
)

// Which commands use a setting.
var (
	everyRole = []string{CommandAll, CommandGateway, CommandRouter, CommandPresence}
	gateways  = []string{CommandAll, CommandGateway}
	owners    = []string{CommandAll, CommandRouter, CommandPresence}
	presences = []string{CommandAll, CommandPresence}
	people    = []string{CommandAll, CommandGateway, CommandPresence}
	wholeOnly = []string{CommandAll}
	tokenOnly = []string{CommandToken}
	withToken = []string{CommandAll, CommandGateway, CommandToken}
)

// table declares every setting.
func table() []Setting {
	settings := []Setting{
		{Name: "HOST", Kind: KindText, Default: "0.0.0.0", Commands: everyRole,
			Help:  "address to listen on",
			field: bind(func(c *Config) *string { return &c.HTTP.Host }, parseHost, plain)},
		{Name: "PORT", Kind: KindNumber, Default: "8081", Commands: everyRole,
			Help:  "port of WebSocket and HTTP; 0 picks a free one",
			field: number(0, 65535, func(c *Config) *int { return &c.HTTP.Port })},

		{Name: "JWT_SECRET", Kind: KindText, Secret: true, Commands: withToken,
			Help:  "secret of HS256 tokens, at least 32 bytes; a gateway needs this, JWT_PUBLIC_KEY or JWT_JWKS_URL",
			field: bind(func(c *Config) *auth.Secret { return &c.Auth.Secret }, parseSecret, auth.Secret.String)},
		{Name: "JWT_PUBLIC_KEY", Kind: KindText, Commands: gateways,
			Help:  "public key of RS256, ES256 or EdDSA tokens: PEM text, or the name of a file that holds it",
			field: bind(func(c *Config) *string { return &c.Auth.PublicKey }, parsePublicKey, plain)},
		{Name: "JWT_JWKS_URL", Kind: KindURL, Commands: gateways,
			Help:  "where the identity provider publishes its public keys",
			field: bind(func(c *Config) *string { return &c.Auth.JWKSURL }, urlOf("https://example.com/jwks.json", "https", "http"), withoutUser)},
		{Name: "JWT_ISSUER", Kind: KindText, Commands: withToken,
			Help:  "the iss a token must have; unset: not checked",
			field: text(func(c *Config) *string { return &c.Auth.Issuer })},
		{Name: "JWT_AUDIENCE", Kind: KindText, Commands: withToken,
			Help:  "the aud a token must have; unset: not checked",
			field: text(func(c *Config) *string { return &c.Auth.Audience })},
		{Name: "JWT_LEEWAY", Kind: KindDuration, Default: "5s", Commands: gateways,
			Help:  "how far the clock of the tokens' issuer may be off",
			field: duration(0, 5*time.Minute, func(c *Config) *time.Duration { return &c.Auth.Leeway })},
		{Name: "DEV", Kind: KindSwitch, Default: "false", Commands: wholeOnly,
			Help:  "development mode: a one-off JWT_SECRET when no key is set, and tokens to try on the screen",
			field: toggle(func(c *Config) *bool { return &c.Dev })},

		{Name: "NATS_URL", Kind: KindList, RoleDefault: "nats://localhost:4222", Commands: everyRole,
			Help:  "NATS servers, comma-separated; unset in one process: an embedded server",
			field: list(func(c *Config) *[]string { return &c.NATS.URLs }, parseNATSURL, withoutUser)},
		{Name: "NATS_CREDENTIALS", Kind: KindText, Commands: everyRole,
			Help:  "file with the credentials for NATS",
			field: bind(func(c *Config) *string { return &c.NATS.Credentials }, parseReadableFile, plain)},
		{Name: "NATS_CONNECT_TIMEOUT", Kind: KindDuration, Default: "5s", Commands: everyRole,
			Help:  "how long a start waits for NATS before it gives up",
			field: duration(100*time.Millisecond, 10*time.Minute, func(c *Config) *time.Duration { return &c.NATS.ConnectTimeout })},
		{Name: "NATS_CONNECTIONS", Kind: KindNumber, Default: "2", Commands: everyRole,
			Help:  "connections to NATS for each role",
			field: number(1, 16, func(c *Config) *int { return &c.NATS.Connections })},
		{Name: "DATA_DIR", Kind: KindText, Default: "./data", Commands: wholeOnly,
			Help:  "where the embedded NATS server keeps its data",
			field: text(func(c *Config) *string { return &c.NATS.DataDir })},
		{Name: "SYNC_ALWAYS", Kind: KindSwitch, Default: "false", Commands: wholeOnly,
			Help:  "whether the embedded NATS server writes to disk what it acknowledges before it does: messages with history and durable rooms then outlive a power loss",
			field: toggle(func(c *Config) *bool { return &c.NATS.SyncAlways })},
		{Name: "EMBEDDED_NATS_PORT", Kind: KindNumber, Default: "0", Commands: wholeOnly,
			Help:  "port on 127.0.0.1 where the embedded NATS server also listens, without a password; 0: in-process only",
			field: number(0, 65535, func(c *Config) *int { return &c.NATS.EmbeddedPort })},
		{Name: "REDIS_URL", Kind: KindURL, RoleDefault: "redis://localhost:6379", Commands: everyRole,
			Help:  "Redis for queued direct messages, last seen times and sessions, used by presence nodes and gateways; unset in one process: an embedded store in memory",
			field: bind(func(c *Config) *string { return &c.Redis.URL }, parseRedisURL, store.PublicURL)},

		{Name: "MAX_CONNECTIONS", Kind: KindNumber, Default: "10000", Commands: gateways,
			Help:  "client connections of one gateway; more are refused with 503",
			field: number(1, 10_000_000, func(c *Config) *int { return &c.Gateway.MaxConnections })},
		{Name: "HEARTBEAT_INTERVAL", Kind: KindDuration, Default: "30s", Commands: gateways,
			Help:  "a connection quiet for so long gets a WebSocket ping",
			field: duration(100*time.Millisecond, time.Hour, func(c *Config) *time.Duration { return &c.Gateway.HeartbeatInterval })},
		{Name: "CLIENT_TIMEOUT", Kind: KindDuration, Default: "60s", Commands: gateways,
			Help:  "a connection silent for so long is closed with 4408; longer than HEARTBEAT_INTERVAL",
			field: duration(200*time.Millisecond, 24*time.Hour, func(c *Config) *time.Duration { return &c.Gateway.ClientTimeout })},
		{Name: "HANDSHAKE_TIMEOUT", Kind: KindDuration, Default: "5s", Commands: gateways,
			Help:  "how long a client may take to send its request head",
			field: duration(100*time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.Gateway.HandshakeTimeout })},
		{Name: "REQUEST_TIMEOUT", Kind: KindDuration, Default: "5s", Commands: gateways,
			Help:  "how long a gateway waits for the owner of a topic before it answers Error 503",
			field: duration(10*time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.Gateway.RequestTimeout })},
		{Name: "MAX_FRAME_SIZE", Kind: KindSize, Default: "64KiB", Commands: gateways,
			Help:  "the longest message a client may send; a longer one closes its connection with 1009",
			field: size(1<<10, 512<<10, func(c *Config) *int { return &c.Gateway.MaxFrameSize })},
		{Name: "OUTBOX_SIZE", Kind: KindSize, Default: "256KiB", Commands: gateways,
			Help:  "bytes that may wait for one slow connection before it is closed with 4410; at least twice MAX_FRAME_SIZE",
			field: size(2<<10, 1<<30, func(c *Config) *int { return &c.Gateway.OutboxSize })},
		{Name: "MAX_SUBSCRIPTIONS", Kind: KindNumber, Default: "1000", Commands: gateways,
			Help:  "subscriptions of one connection",
			field: number(1, 1_000_000, func(c *Config) *int { return &c.Gateway.MaxSubscriptions })},
		{Name: "MAX_WATCHED", Kind: KindNumber, Default: "1000", Commands: gateways,
			Help:  "users whose presence one connection watches",
			field: number(1, 100_000, func(c *Config) *int { return &c.Gateway.MaxWatched })},
		{Name: "ALLOWED_ORIGINS", Kind: KindList, Default: "*", Commands: gateways,
			Help:  "origins of the web pages that may connect, comma-separated; * allows all",
			field: list(func(c *Config) *[]string { return &c.Gateway.AllowedOrigins }, parseOrigin, plain)},
		{Name: "RATE_LIMIT_ENABLED", Kind: KindSwitch, Default: "true", Commands: gateways,
			Help:  "whether rate limits apply",
			field: toggle(func(c *Config) *bool { return &c.Gateway.RateLimit.Enabled })},
		{Name: "RATE_LIMIT_CONNECTION_RPS", Kind: KindNumber, Default: "100", Commands: gateways,
			Help:  "messages a second one connection may send",
			field: number(1, 1_000_000, func(c *Config) *int { return &c.Gateway.RateLimit.RPS })},
		{Name: "RATE_LIMIT_CONNECTION_BURST", Kind: KindNumber, Default: "200", Commands: gateways,
			Help:  "messages one connection may send at once",
			field: number(1, 1_000_000, func(c *Config) *int { return &c.Gateway.RateLimit.Burst })},

		{Name: "QUEUE_TTL", Kind: KindDuration, Default: "24h", Commands: presences,
			Help:  "how long a direct message waits for an absent user; 0: it does not wait, its sender gets Error 404",
			field: zeroOrDuration(time.Second, 8760*time.Hour, func(c *Config) *time.Duration { return &c.Presence.QueueTTL })},
		{Name: "QUEUE_MAX_MESSAGES", Kind: KindNumber, Default: "1000", Commands: presences,
			Help:  "direct messages that wait for one user; further ones are refused",
			field: number(1, 1_000_000, func(c *Config) *int { return &c.Presence.QueueMaxMessages })},
		{Name: "QUEUE_MAX_BYTES", Kind: KindSize, Default: "1MiB", Commands: presences,
			Help:  "bytes of the direct messages that wait for one user; further ones are refused",
			field: size(1<<10, 1<<30, func(c *Config) *int { return &c.Presence.QueueMaxBytes })},
		{Name: "ROOM_GRACE", Kind: KindDuration, Default: "30s", Commands: presences,
			Help:  "how long a user without a connection stays in its rooms; in durable ones it stays anyway",
			field: duration(0, time.Hour, func(c *Config) *time.Duration { return &c.Presence.RoomGrace })},
		{Name: "MAX_ROOMS", Kind: KindNumber, Default: "100", Commands: people,
			Help:  "rooms of one user; the same on gateways and presence nodes",
			field: number(1, 100_000, func(c *Config) *int { return &c.Presence.MaxRooms })},
		{Name: "MAX_ROOM_MEMBERS", Kind: KindNumber, Default: "100000", Commands: presences,
			Help:  "capacity of a room that was created without one",
			field: number(1, 10_000_000, func(c *Config) *int { return &c.Presence.MaxRoomMembers })},
		{Name: "ROOM_REPLICAS", Kind: KindNumber, Default: "0", Commands: presences,
			Help:  "copies of durable rooms, each on a NATS server of its own; 0: three where there are as many servers, else one",
			field: number(0, 5, func(c *Config) *int { return &c.Presence.RoomReplicas })},
		{Name: "LAST_SEEN_TTL", Kind: KindDuration, Default: "720h", Commands: presences,
			Help:  "how long it is known when an absent user was last seen",
			field: duration(time.Minute, 87600*time.Hour, func(c *Config) *time.Duration { return &c.Presence.LastSeenTTL })},

		{Name: "SETTINGS_FILE", Kind: KindText, Commands: owners,
			Help:  "YAML file that says which topics and rooms have history; the same on all routers and presence nodes; unset: none has, in development mode those that begin with history.",
			field: text(func(c *Config) *string { return &c.SettingsFile })},
		{Name: "DEDUPE_WINDOW", Kind: KindDuration, Default: "2m", Commands: owners,
			Help:  "for how long a message with history is recognized when its sender sends it again",
			field: duration(time.Second, time.Hour, func(c *Config) *time.Duration { return &c.History.DedupeWindow })},
		{Name: "HISTORY_MEMORY", Kind: KindSize, Default: "256MiB", Commands: owners,
			Help:  "bytes of recent messages with history that the owners of one process keep in memory",
			field: size(1<<20, min(64<<30, math.MaxInt), func(c *Config) *int { return &c.History.Memory })},
		{Name: "SESSION_TTL", Kind: KindDuration, Default: "2m", Commands: gateways,
			Help:  "how long a session can be resumed after its connection has ended; 0: sessions are not resumed",
			field: zeroOrDuration(time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.Gateway.SessionTTL })},

		{Name: "LOOPS", Kind: KindNumber, Default: "0", Commands: gateways,
			Help:  "event loops of a gateway; 0: one for each processor Go uses",
			field: number(0, maxParallel, func(c *Config) *int { return &c.Gateway.Loops })},
		{Name: "LANES", Kind: KindNumber, Default: "0", Commands: owners,
			Help:  "parallel lanes of a router or presence node; 0: one for each processor Go uses",
			field: number(0, maxParallel, func(c *Config) *int { return &c.Router.Lanes })},

		{Name: "SHUTDOWN_TIMEOUT", Kind: KindDuration, Default: "25s", Commands: everyRole,
			Help:  "how long a stop by SIGTERM may take",
			field: duration(100*time.Millisecond, time.Hour, func(c *Config) *time.Duration { return &c.ShutdownTimeout })},
		{Name: "NODE_NAME", Kind: KindText, Commands: everyRole,
			Help:  "name of this node in logs and listings; unset: the host name",
			field: bind(func(c *Config) *string { return &c.NodeName }, parseNodeName, plain)},
		{Name: "LOG_LEVEL", Kind: "debug|info|warn|error", Default: "info", Commands: everyRole,
			Help:  "the least important level that is logged",
			field: oneOf(func(c *Config) *string { return &c.Log.Level }, "debug", "info", "warn", "error")},
		{Name: "LOG_FORMAT", Kind: "json|console", Default: "json", Commands: everyRole,
			Help:  "shape of the log lines; unset in development mode: console",
			field: oneOf(func(c *Config) *string { return &c.Log.Format }, "json", "console")},

		{Flag: "user", Kind: KindText, Commands: tokenOnly,
			Help:  "the user the token is for, required",
			field: bind(func(c *Config) *string { return &c.Token.User }, parseUser, plain)},
		{Flag: "ttl", Kind: KindDuration, Default: "1h", Commands: tokenOnly,
			Help:  "how long the token is valid",
			field: duration(time.Second, 10*365*24*time.Hour, func(c *Config) *time.Duration { return &c.Token.TTL })},
		{Flag: "roles", Kind: KindList, Commands: tokenOnly,
			Help:  "the user's roles, comma-separated",
			field: list(func(c *Config) *[]string { return &c.Token.Roles }, parseText, plain)},
		{Flag: "publish", Kind: KindList, Commands: tokenOnly,
			Help:  "topic patterns the user may publish to, comma-separated; unset: all but the system's",
			field: list(func(c *Config) *[]string { return &c.Token.Publish }, parsePattern, plain)},
		{Flag: "subscribe", Kind: KindList, Commands: tokenOnly,
			Help:  "topic patterns the user may subscribe to, comma-separated; unset: all but the system's",
			field: list(func(c *Config) *[]string { return &c.Token.Subscribe }, parsePattern, plain)},
	}
	for i := range settings {
		if settings[i].Flag == "" {
			settings[i].Flag = flagName(settings[i].Name)
		}
	}
	return settings
}
