package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestSecretsStaySo: whatever way the settings are written out, no secret and no password is among them.
func TestSecretsStaySo(t *testing.T) {
	const password = "open-sesame-4711-open-sesame-4711"
	env := map[string]string{
		"JWT_JWKS_URL": "https://realtime:" + password + "@example.com/keys?key=" + password,
		"NATS_URL":     "nats://realtime:" + password + "@a:4222," + password + "@b:4222",
	}
	redis := []string{
		"redis://realtime:" + password + "@a:6379/1?pool_size=7",
		"redis://:" + password + "@a:26379/0?master_name=m&username=realtime&password=" + password,
	}
	for _, s := range Settings() {
		if s.Secret {
			env[s.Name] = password
		}
	}
	if env["JWT_SECRET"] == "" {
		t.Fatal("no setting is secret")
	}
	for _, command := range []string{CommandAll, CommandGateway, CommandRouter, CommandPresence} {
		for _, url := range redis {
			env["REDIS_URL"] = url
			c, err := Load(command, nil, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			if err != nil {
				t.Fatal(err)
			}
			if c.Redis.URL.Reveal() != url || strings.Join(Reveal(c.NATS.URLs), ",") != strings.ReplaceAll(env["NATS_URL"], ","+password, ",nats://"+password) {
				t.Errorf("%s: Redis %q, NATS %q", command, c.Redis.URL.Reveal(), Reveal(c.NATS.URLs))
			}
			for how, text := range shown(t, c) {
				if strings.Contains(text, password[:9]) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", password[:9])) {
					t.Errorf("%s: %s shows a secret: %s", command, how, text)
				}
			}
		}
	}
	for text, want := range map[URL]string{
		URL(env["JWT_JWKS_URL"]): "https://example.com/keys?***", "": "", "nats://a:1": "nats://a:1", "nats://secret@a:1": "nats://a:1",
		URL(redis[0]): "redis://a:6379/1?pool_size=7", URL(redis[1]): "redis://a:26379/0?master_name=m", "unix:///s?password=x": "unix:///s",
	} {
		if got := text.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// shown is c in every way that it could be written out.
func shown(t *testing.T, c *Config) map[string]string {
	t.Helper()
	all := map[string]string{"Public": fmt.Sprint(c.Public())}
	parts := []any{c, *c, c.Auth, c.NATS, c.NATS.URLs, &c.Redis, c.Redis.URL, c.Auth.Secret, c.Auth.JWKSURL}
	for i, part := range parts {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%40v", "%t"} {
			all[fmt.Sprintf("%s of %d", verb, i)] = fmt.Sprintf(verb, part)
		}
		js, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprint("JSON of ", i)] = string(js)
		var slogged bytes.Buffer
		slog.New(slog.NewTextHandler(&slogged, nil)).Info("m", "key", part)
		slog.New(slog.NewJSONHandler(&slogged, nil)).Info("m", "key", part)
		all[fmt.Sprint("slog of ", i)] = slogged.String()
		for name, enc := range map[string]zapcore.Encoder{
			"zap JSON": zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), "zap console": zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
		} {
			line, err := enc.EncodeEntry(zapcore.Entry{}, []zap.Field{zap.Any("key", part), zap.Reflect("again", part), zap.String("text", fmt.Sprint(part))})
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprint(name, " of ", i)] = line.String()
		}
		func() {
			defer func() { all[fmt.Sprint("panic of ", i)] = fmt.Sprint(recover()) }()
			panic(part)
		}()
	}
	return all
}
