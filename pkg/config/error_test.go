package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

const notRedis = `not a URL such as redis://localhost:6379 (in a user or password, write / ? # @ and % as %2F %3F %23 %40 and %25)`

// TestErrors holds each bad value to its one line.
func TestErrors(t *testing.T) {
	secret := map[string]string{"JWT_SECRET": testSecret}
	long := strings.Repeat("x", 70)
	tests := []struct {
		command string
		name    string // of a variable
		value   string
		args    []string
		want    string
	}{
		{CommandAll, "HOST", "no such host", nil, `HOST: "no such host" is not an address such as 0.0.0.0`},
		{CommandAll, "PORT", "70000", nil, `PORT: 70000 is not within 0–65535`},
		{CommandAll, "PORT", "-1", nil, `PORT: -1 is not within 0–65535`},
		{CommandAll, "PORT", "http", nil, `PORT: "http" is not a whole number`},
		{CommandAll, "PORT", "99999999999999999999", nil, `PORT: 99999999999999999999 is not within 0–65535`},
		{CommandAll, "PORT", "1\n2", nil, `PORT: "1\n2" is not a whole number`},
		{CommandAll, "PORT", long, nil, `PORT: "` + long[:60] + `…" is not a whole number`},
		{CommandAll, "JWT_SECRET", "short", nil, `JWT_SECRET: must be at least 32 bytes, has 5`},
		{CommandAll, "JWT_SECRET", "", nil, `JWT_SECRET: required, at least 32 bytes, or JWT_PUBLIC_KEY or JWT_JWKS_URL instead; to try things out, start with -dev`},
		{CommandGateway, "JWT_SECRET", "", nil, `JWT_SECRET: required, at least 32 bytes, or JWT_PUBLIC_KEY or JWT_JWKS_URL instead`},
		{CommandAll, "JWT_PUBLIC_KEY", "/no/such/file", nil, `JWT_PUBLIC_KEY: cannot read "/no/such/file": no such file or directory`},
		{CommandAll, "JWT_JWKS_URL", "example.com/keys", nil, `JWT_JWKS_URL: "example.com/keys" is not a URL such as https://example.com/jwks.json`},
		{CommandAll, "JWT_LEEWAY", "1h", nil, `JWT_LEEWAY: 1h is not within 0s–5m`},
		{CommandAll, "DEV", "maybe", nil, `DEV: "maybe" is not true or false`},
		{CommandAll, "NATS_URL", "http://localhost:4222", nil, `NATS_URL: "http://localhost:4222" is not a URL such as nats://localhost:4222`},
		{CommandAll, "NATS_URL", "nats://a:4222,", nil, `NATS_URL: "" is not a URL such as nats://localhost:4222`},
		{CommandAll, "NATS_URL", "nats://user:pa#ss@host:4222", nil, `NATS_URL: "nats://host:4222" is not a URL such as nats://localhost:4222`},
		{CommandAll, "NATS_CREDENTIALS", "/no/such/file", nil, `NATS_CREDENTIALS: cannot read "/no/such/file": no such file or directory`},
		{CommandAll, "NATS_CONNECT_TIMEOUT", "5", nil, `NATS_CONNECT_TIMEOUT: "5" is not a duration such as 30s`},
		{CommandAll, "NATS_CONNECTIONS", "17", nil, `NATS_CONNECTIONS: 17 is not within 1–16`},
		{CommandAll, "EMBEDDED_NATS_PORT", "-1", nil, `EMBEDDED_NATS_PORT: -1 is not within 0–65535`},
		{CommandAll, "REDIS_URL", "localhost:6379", nil, `REDIS_URL: ` + notRedis},
		{CommandPresence, "REDIS_URL", "redis://:hunter2/x@host", nil, `REDIS_URL: ` + notRedis},
		{CommandGateway, "REDIS_URL", "http://:hunter2@host", nil, `REDIS_URL: invalid URL scheme: http`},
		{CommandRouter, "REDIS_URL", "redis://:hunter2@host?colour%0A=red", nil, "REDIS_URL: unexpected option: colour\ufffd"},
		{CommandPresence, "REDIS_URL", "redis://a:1,b:2", nil, `REDIS_URL: further addresses are parameters: addr=host:port`},
		{CommandAll, "REDIS_URL", "redis://:hunter2@h:1?master_name=", nil, `REDIS_URL: master_name is empty`},
		{CommandAll, "MAX_CONNECTIONS", "0", nil, `MAX_CONNECTIONS: 0 is not within 1–10000000`},
		{CommandAll, "HEARTBEAT_INTERVAL", "fast", nil, `HEARTBEAT_INTERVAL: "fast" is not a duration such as 30s`},
		{CommandAll, "HEARTBEAT_INTERVAL", "10ms", nil, `HEARTBEAT_INTERVAL: 10ms is not within 100ms–1h`},
		{CommandAll, "HEARTBEAT_INTERVAL", "60s", nil, `CLIENT_TIMEOUT: 1m is not longer than HEARTBEAT_INTERVAL, 1m`},
		{CommandAll, "CLIENT_TIMEOUT", "20s", nil, `CLIENT_TIMEOUT: 20s is not longer than HEARTBEAT_INTERVAL, 30s`},
		{CommandAll, "HANDSHAKE_TIMEOUT", "2m", nil, `HANDSHAKE_TIMEOUT: 2m is not within 100ms–1m`},
		{CommandAll, "REQUEST_TIMEOUT", "0", nil, `REQUEST_TIMEOUT: 0 is not within 10ms–1m`},
		{CommandAll, "MAX_FRAME_SIZE", "64kB", nil, `MAX_FRAME_SIZE: "64kB" is not a size such as 65536 or 64KiB`},
		{CommandAll, "MAX_FRAME_SIZE", "-1", nil, `MAX_FRAME_SIZE: "-1" is not a size such as 65536 or 64KiB`},
		{CommandAll, "MAX_FRAME_SIZE", "1MiB", nil, `MAX_FRAME_SIZE: 1MiB is not within 1KiB–512KiB`},
		{CommandAll, "MAX_FRAME_SIZE", "9999999999999GiB", nil, `MAX_FRAME_SIZE: 9999999999999GiB is not within 1KiB–512KiB`},
		{CommandAll, "OUTBOX_SIZE", "100000", nil, `OUTBOX_SIZE: 100000 is less than twice MAX_FRAME_SIZE, 64KiB`},
		{CommandAll, "MAX_SUBSCRIPTIONS", "0", nil, `MAX_SUBSCRIPTIONS: 0 is not within 1–1000000`},
		{CommandAll, "MAX_WATCHED", "100001", nil, `MAX_WATCHED: 100001 is not within 1–100000`},
		{CommandAll, "ALLOWED_ORIGINS", "https://a.example/path", nil, `ALLOWED_ORIGINS: "https://a.example/path" is not * or an origin such as https://example.com or https://*.example.com`},
		{CommandAll, "ALLOWED_ORIGINS", "a.example", nil, `ALLOWED_ORIGINS: "a.example" is not * or an origin such as https://example.com or https://*.example.com`},
		{CommandAll, "RATE_LIMIT_ENABLED", "sometimes", nil, `RATE_LIMIT_ENABLED: "sometimes" is not true or false`},
		{CommandAll, "RATE_LIMIT_CONNECTION_RPS", "1.5", nil, `RATE_LIMIT_CONNECTION_RPS: "1.5" is not a whole number`},
		{CommandAll, "RATE_LIMIT_CONNECTION_BURST", "0", nil, `RATE_LIMIT_CONNECTION_BURST: 0 is not within 1–1000000`},
		{CommandAll, "QUEUE_TTL", "10ms", nil, `QUEUE_TTL: 10ms is neither 0 nor within 1s–8760h`},
		{CommandAll, "QUEUE_TTL", "-1s", nil, `QUEUE_TTL: -1s is neither 0 nor within 1s–8760h`},
		{CommandAll, "QUEUE_TTL", "a day", nil, `QUEUE_TTL: "a day" is not a duration such as 30s`},
		{CommandPresence, "QUEUE_MAX_MESSAGES", "0", nil, `QUEUE_MAX_MESSAGES: 0 is not within 1–1000000`},
		{CommandPresence, "QUEUE_MAX_BYTES", "1000", nil, `QUEUE_MAX_BYTES: 1000 is not within 1KiB–1GiB`},
		{CommandPresence, "ROOM_GRACE", "2h", nil, `ROOM_GRACE: 2h is not within 0s–1h`},
		{CommandPresence, "MAX_ROOMS", "0", nil, `MAX_ROOMS: 0 is not within 1–100000`},
		{CommandPresence, "MAX_ROOM_MEMBERS", "-1", nil, `MAX_ROOM_MEMBERS: -1 is not within 1–10000000`},
		{CommandPresence, "ROOM_REPLICAS", "6", nil, `ROOM_REPLICAS: 6 is not within 0–5`},
		{CommandPresence, "LAST_SEEN_TTL", "1s", nil, `LAST_SEEN_TTL: 1s is not within 1m–87600h`},
		{CommandAll, "SETTINGS_FILE", "no/such/file", nil, `SETTINGS_FILE: no/such/file: cannot be read: no such file or directory`},
		{CommandRouter, "DEDUPE_WINDOW", "0", nil, `DEDUPE_WINDOW: 0 is not within 1s–1h`},
		{CommandPresence, "HISTORY_MEMORY", "65GiB", nil, `HISTORY_MEMORY: 65GiB is not within 1MiB–64GiB`},
		{CommandGateway, "SESSION_TTL", "25h", nil, `SESSION_TTL: 25h is neither 0 nor within 1s–24h`},
		{CommandGateway, "", "", []string{"-settings-file=x"}, `-settings-file: not a setting of realtime gateway, only of all, router, presence`},
		{CommandAll, "LOOPS", "65", nil, `LOOPS: 65 is not within 0–64`},
		{CommandRouter, "LANES", "-2", nil, `LANES: -2 is not within 0–64`},
		{CommandAll, "SHUTDOWN_TIMEOUT", "forever", nil, `SHUTDOWN_TIMEOUT: "forever" is not a duration such as 30s`},
		{CommandGateway, "DRAIN_PERIOD", "20ms", nil, `DRAIN_PERIOD: 20ms is neither 0 nor within 100ms–1h`},
		{CommandGateway, "DRAIN_PERIOD", "26s", nil, `DRAIN_PERIOD: 26s is not at least 5s shorter than SHUTDOWN_TIMEOUT, 30s`},
		{CommandAll, "SHUTDOWN_TIMEOUT", "24s", nil, `DRAIN_PERIOD: 20s is not at least 5s shorter than SHUTDOWN_TIMEOUT, 24s`},
		{CommandRouter, "", "", []string{"-drain-period=1s"}, `-drain-period: not a setting of realtime router, only of all, gateway`},
		{CommandAll, "NODE_NAME", "node 1", nil, `NODE_NAME: "node 1" is not 1–64 letters, digits, dots, dashes or underscores`},
		{CommandAll, "LOG_LEVEL", "loud", nil, `LOG_LEVEL: "loud" is not one of debug, info, warn, error`},
		{CommandAll, "LOG_FORMAT", "xml", nil, `LOG_FORMAT: "xml" is not one of json, console`},

		{CommandAll, "", "", []string{"-port", "x"}, `PORT: "x" is not a whole number`},
		{CommandAll, "", "", []string{"-port", ""}, `PORT: "" is not a whole number`},
		{CommandAll, "", "", []string{"-data-dir="}, `DATA_DIR: must not be empty`},
		{CommandAll, "", "", []string{"-port"}, `flag needs an argument: -port; see realtime all -h`},
		{CommandAll, "", "", []string{"-prot", "1"}, `-prot: no such setting; see realtime all -h`},
		{CommandRouter, "", "", []string{"-max-connections=1"}, `-max-connections: not a setting of realtime router, only of all, gateway`},
		{CommandGateway, "", "", []string{"-queue-ttl=0"}, `-queue-ttl: not a setting of realtime gateway, only of all, presence`},
		{CommandPresence, "", "", []string{"-max-watched=1"}, `-max-watched: not a setting of realtime presence, only of all, gateway`},
		{CommandPresence, "", "", []string{"-redis-url="}, `REDIS_URL: ` + notRedis},
		{CommandGateway, "", "", []string{"-dev"}, `-dev: not a setting of realtime gateway, only of all`},
		{CommandAll, "", "", []string{"gatway"}, `unexpected argument "gatway": settings are flags, see realtime all -h`},
		{CommandGateway, "", "", []string{"-nats-url="}, `NATS_URL: "" is not a URL such as nats://localhost:4222`},
		{"gatway", "", "", nil, `"gatway" is not a command that has settings`},

		{CommandToken, "", "", nil, `-user: required, such as -user alice`},
		{CommandToken, "JWT_SECRET", "", []string{"-user=a"}, `JWT_SECRET: required, the token is signed with it; at least 32 bytes`},
		{CommandToken, "", "", []string{"-user", "a\x00"}, `-user: "a\x00" is not a user of 1–128 bytes without control characters`},
		{CommandToken, "", "", []string{"-user=a", "-ttl=0s"}, `-ttl: 0s is not within 1s–87600h`},
		{CommandToken, "", "", []string{"-user=a", "-publish=chat.>,a..b"}, `-publish: "a..b": ` + topic.ValidatePattern("a..b").Error()},
		{CommandToken, "", "", []string{"-user=a", "-roles=x,,y"}, `-roles: must not be empty`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			vars := maps.Clone(secret)
			if tt.name != "" {
				vars[tt.name] = tt.value
			}
			_, err := Load(tt.command, tt.args, env(vars))
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != tt.want {
				t.Errorf("\n got %s\nwant %s", err, tt.want)
			}
			if strings.ContainsRune(err.Error(), '\n') {
				t.Error("more than one line")
			}
		})
	}
}
