package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-cluster/realtime/pkg/auth"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// env is an environment of the given variables.
func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func load(t *testing.T, command string, vars map[string]string, args ...string) *Config {
	t.Helper()
	c, err := Load(command, args, env(vars))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := load(t, CommandAll, map[string]string{"JWT_SECRET": testSecret})
	if c.HTTP != (HTTP{Host: "0.0.0.0", Port: 8081}) {
		t.Errorf("HTTP = %+v", c.HTTP)
	}
	if c.Auth.Secret.Reveal() != testSecret || c.Auth.Leeway != 5*time.Second {
		t.Errorf("Auth = %+v", c.Auth)
	}
	if len(c.NATS.URLs) != 0 || c.NATS.Connections != 2 || c.NATS.DataDir != "./data" || c.NATS.ConnectTimeout != 5*time.Second {
		t.Errorf("NATS = %+v", c.NATS)
	}
	g := c.Gateway
	if g.MaxConnections != 10000 || g.HeartbeatInterval != 30*time.Second || g.ClientTimeout != time.Minute ||
		g.HandshakeTimeout != 5*time.Second || g.MaxFrameSize != 65536 || g.OutboxSize != 262144 ||
		g.MaxSubscriptions != 1000 || !slices.Equal(g.AllowedOrigins, []string{"*"}) ||
		g.RateLimit != (RateLimit{
			Enabled: true, RPS: 100, Burst: 200, UserRPS: 500, UserBurst: 1000, GlobalRPS: 10000, GlobalBurst: 20000,
		}) {
		t.Errorf("Gateway = %+v", g)
	}
	if g.MaxWatched != 1000 || c.Redis.URL != "" {
		t.Errorf("MaxWatched = %d, Redis = %+v", g.MaxWatched, c.Redis)
	}
	if want := (Presence{
		QueueTTL: 24 * time.Hour, QueueMaxMessages: 1000, QueueMaxBytes: 1 << 20, RoomGrace: 30 * time.Second,
		MaxRooms: 100, MaxRoomMembers: 100_000, LastSeenTTL: 720 * time.Hour,
	}); c.Presence != want {
		t.Errorf("Presence = %+v, want %+v", c.Presence, want)
	}
	if g.SessionTTL != 2*time.Minute || c.History != (History{DedupeWindow: 2 * time.Minute, Memory: 256 << 20}) || c.Settings.History != nil {
		t.Errorf("SessionTTL = %v, History = %+v, Settings = %+v", g.SessionTTL, c.History, c.Settings)
	}
	if want := min(runtime.GOMAXPROCS(0), 64); g.Loops != want || c.Router.Lanes != want {
		t.Errorf("loops %d, lanes %d, want %d", g.Loops, c.Router.Lanes, want)
	}
	if c.Log != (Log{Level: "info", Format: "json"}) || c.NodeName == "" || c.ShutdownTimeout != 30*time.Second {
		t.Errorf("Log = %+v, node %q, shutdown %v", c.Log, c.NodeName, c.ShutdownTimeout)
	}
}

func TestDefaultsOfRoles(t *testing.T) {
	for _, command := range []string{CommandGateway, CommandRouter, CommandPresence} {
		c := load(t, command, map[string]string{"JWT_SECRET": testSecret})
		if !slices.Equal(c.NATS.URLs, []URL{"nats://localhost:4222"}) || c.Redis.URL != "redis://localhost:6379" {
			t.Errorf("%s: NATS %q, Redis %q", command, c.NATS.URLs, c.Redis.URL)
		}
	}
	if c := load(t, CommandPresence, map[string]string{"QUEUE_TTL": "0", "ROOM_GRACE": "0s"}); c.Presence.QueueTTL != 0 ||
		c.Presence.RoomGrace != 0 || c.Presence.MaxRooms != 100 || c.Gateway.MaxWatched != 0 {
		t.Errorf("presence: %+v, MaxWatched %d", c.Presence, c.Gateway.MaxWatched)
	}
	if c := load(t, CommandGateway, map[string]string{"JWT_SECRET": testSecret}); c.Presence != (Presence{MaxRooms: 100}) || c.Gateway.MaxWatched != 1000 {
		t.Errorf("gateway: %+v, MaxWatched %d", c.Presence, c.Gateway.MaxWatched)
	}
	if c := load(t, CommandRouter, nil); c.Gateway.Loops != 0 || c.Router.Lanes == 0 {
		t.Errorf("router: loops %d, lanes %d", c.Gateway.Loops, c.Router.Lanes)
	}
}

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name string
		vars map[string]string
		args []string
		want int
	}{
		{"default", nil, nil, 8081},
		{"environment", map[string]string{"PORT": "9000"}, nil, 9000},
		{"flag", nil, []string{"-port", "9001"}, 9001},
		{"flag over environment", map[string]string{"PORT": "9000"}, []string{"-port=9001"}, 9001},
		{"flag over a bad environment", map[string]string{"PORT": "x"}, []string{"--port=9001"}, 9001},
		{"empty environment", map[string]string{"PORT": ""}, nil, 8081},
		{"blank environment", map[string]string{"PORT": " "}, nil, 8081},
		{"white space around", map[string]string{"PORT": "9000\r"}, nil, 9000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c := load(t, CommandRouter, tt.vars, tt.args...); c.HTTP.Port != tt.want {
				t.Errorf("port %d, want %d", c.HTTP.Port, tt.want)
			}
		})
	}
}

func TestDevelopmentMode(t *testing.T) {
	c := load(t, CommandAll, map[string]string{"NATS_URL": "nats://other:4222"}, "-dev", "-nats-url=")
	if !c.Dev || c.Log.Format != "console" || len(c.Auth.Secret) != 0 {
		t.Errorf("dev %v, log %q, secret of %d bytes", c.Dev, c.Log.Format, len(c.Auth.Secret))
	}
	if len(c.NATS.URLs) != 0 {
		t.Errorf("NATS URLs %q, want none: an empty flag unsets", c.NATS.URLs)
	}
	if c := load(t, CommandAll, map[string]string{"DEV": "1", "LOG_FORMAT": "json"}); c.Log.Format != "json" {
		t.Errorf("log format %q, want the one asked for", c.Log.Format)
	}
	if _, err := Load(CommandGateway, nil, env(map[string]string{"DEV": "true"})); err == nil {
		t.Error("a gateway ran without a key because of DEV")
	}
}

func TestValues(t *testing.T) {
	c := load(t, CommandAll, map[string]string{
		"JWT_SECRET":      testSecret,
		"NATS_URL":        "nats://u:p@a:4222, b:4223,tls://c",
		"MAX_FRAME_SIZE":  "128KiB",
		"OUTBOX_SIZE":     "1MiB",
		"ALLOWED_ORIGINS": "https://Example.com, http://localhost:3000",
		"LOOPS":           "3",
	})
	if want := []URL{"nats://u:p@a:4222", "nats://b:4223", "tls://c"}; !slices.Equal(c.NATS.URLs, want) {
		t.Errorf("NATS URLs %q, want %q", c.NATS.URLs, want)
	}
	if c.Gateway.MaxFrameSize != 128<<10 || c.Gateway.OutboxSize != 1<<20 || c.Gateway.Loops != 3 {
		t.Errorf("Gateway = %+v", c.Gateway)
	}
	if want := []string{"https://example.com", "http://localhost:3000"}; !slices.Equal(c.Gateway.AllowedOrigins, want) {
		t.Errorf("origins %q, want %q", c.Gateway.AllowedOrigins, want)
	}
	if p := c.Public(); p["NATS_URL"] != "nats://a:4222,nats://b:4223,tls://c" || p["MAX_FRAME_SIZE"] != "128KiB" || p["CLIENT_TIMEOUT"] != "1m" {
		t.Errorf("Public() = %v", p)
	}
}

func TestPublicHasNoSecret(t *testing.T) {
	c := load(t, CommandAll, map[string]string{
		"JWT_SECRET": testSecret, "NATS_URL": "nats://hunter2@n",
		"REDIS_URL": "rediss://:hunter2@r:6379?master_name=m&username=hunter2&password=hunter2&addr=s:6379",
	})
	for name, value := range c.Public() {
		if strings.Contains(value, testSecret) || strings.Contains(value, "hunter2") {
			t.Errorf("%s shows a secret: %s", name, value)
		}
	}
	if got := c.Public()["REDIS_URL"]; got != "rediss://r:6379?master_name=m&addr=s:6379" {
		t.Errorf("REDIS_URL is shown as %s", got)
	}
	if _, ok := c.Public()["JWT_SECRET"]; ok {
		t.Error("JWT_SECRET is listed")
	}
}

func TestToken(t *testing.T) {
	c := load(t, CommandToken, map[string]string{"JWT_SECRET": testSecret, "PORT": "not looked at"},
		"-user", "alice", "-ttl", "90s", "-roles", "admin,dev", "-publish", "chat.>")
	if c.User != "alice" || c.Token.TTL != 90*time.Second || !slices.Equal(c.Token.Roles, []string{"admin", "dev"}) ||
		!slices.Equal(c.Token.Publish, []string{"chat.>"}) || c.Token.Subscribe != nil {
		t.Errorf("Token = %+v", c.Token)
	}
}

func TestPublicKey(t *testing.T) {
	const key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{key, strings.ReplaceAll(key, "\n", `\n`), file} {
		c := load(t, CommandGateway, map[string]string{"JWT_PUBLIC_KEY": value})
		if _, err := auth.New(t.Context(), auth.Config{PublicKey: c.Auth.PublicKey}); err != nil {
			t.Errorf("%q is read as %q: %v", value, c.Auth.PublicKey, err)
		}
	}
}

func TestSettingsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("history: [{name: chat, topics: [chat.>]}]")
	for _, command := range []string{CommandRouter, CommandPresence} {
		c := load(t, command, map[string]string{"SETTINGS_FILE": file})
		if rule := c.Settings.History.OfTopic("chat.a"); rule == nil || rule.Name != "chat" || c.Public()["SETTINGS_FILE"] != file {
			t.Errorf("%s: %+v, shown as %q", command, c.Settings, c.Public()["SETTINGS_FILE"])
		}
	}
	if c := load(t, CommandGateway, map[string]string{"JWT_SECRET": testSecret, "SETTINGS_FILE": "/not/looked/at", "SESSION_TTL": "0"}); c.Gateway.SessionTTL != 0 {
		t.Errorf("SessionTTL = %v", c.Gateway.SessionTTL)
	}
	write("history:\n- name: a\n  size: 0\n  age: 0\n")
	_, err := Load(CommandRouter, nil, env(map[string]string{"SETTINGS_FILE": file}))
	want := "SETTINGS_FILE: " + file + ":3: history[0].size: must be 1 to 1000000\n" +
		"SETTINGS_FILE: " + file + ":4: history[0].age: must be a duration such as 30m or 7d, from 1s to 365d"
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help", "help"} {
		if _, err := Load(CommandGateway, []string{arg}, env(nil)); !errors.Is(err, ErrHelp) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}
