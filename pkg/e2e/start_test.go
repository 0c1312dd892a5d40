package e2e_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/realtime-cluster/realtime/loadtest/cluster"
	"github.com/realtime-cluster/realtime/pkg/config"
)

// refuses wants a start to fail with want as its only line.
func refuses(t *testing.T, want string, env []string, args ...string) {
	t.Helper()
	code, stdout, stderr := runBinary(t, env, args...)
	if stderr != "realtime: "+want+"\n" {
		t.Errorf("%v %q:\n got %swant realtime: %s", args, env, stderr, want)
	}
	if code == 0 || stdout != "" {
		t.Errorf("%v %q: exit code %d, stdout %q", args, env, code, stdout)
	}
}

// badValues has one value for each setting that it cannot have.
var badValues = map[string]string{
	"HOST": "no such host", "PORT": "http",
	"JWT_SECRET": "short", "JWT_PUBLIC_KEY": "/no/such/file", "JWT_JWKS_URL": "example.com", "JWT_LEEWAY": "5", "REFRESH_TOKEN_TTL": "1s",
	"DEV": "maybe", "NATS_URL": "http://localhost:4222", "NATS_CREDENTIALS": "/no/such/file",
	"NATS_CONNECT_TIMEOUT": "soon", "NATS_CONNECTIONS": "0", "EMBEDDED_NATS_PORT": "65536",
	"REDIS_URL": "localhost", "MAX_CONNECTIONS": "many", "HEARTBEAT_INTERVAL": "1ms", "CLIENT_TIMEOUT": "1s",
	"HANDSHAKE_TIMEOUT": "0s", "REQUEST_TIMEOUT": "-1s", "MAX_FRAME_SIZE": "64kB", "OUTBOX_SIZE": "1KiB",
	"MAX_CONNECTIONS_PER_USER": "-1", "MAX_CONNECTIONS_PER_ADDRESS": "few", "ADMIT_RATE": "10/s", "TRUSTED_PROXIES": "10.0.0.0/33",
	"RATE_LIMIT_ADDRESS_RPS": "0", "RATE_LIMIT_ADDRESS_BURST": "0",
	"MAX_SUBSCRIPTIONS": "1e3", "ALLOWED_ORIGINS": "example.com", "RATE_LIMIT_ENABLED": "2",
	"RATE_LIMIT_CONNECTION_RPS": "-1", "RATE_LIMIT_USER_RPS": "-1", "RATE_LIMIT_USER_BURST": "0",
	"RATE_LIMIT_GLOBAL_RPS": "1e4", "RATE_LIMIT_GLOBAL_BURST": "0", "RATE_LIMIT_CONNECTION_BURST": "1.5", "LOOPS": "1000", "LANES": "-1",
	"MAX_WATCHED": "0", "QUEUE_TTL": "10ms", "QUEUE_MAX_MESSAGES": "0", "QUEUE_MAX_BYTES": "1B", "ROOM_GRACE": "2h",
	"MAX_ROOMS": "-1", "MAX_ROOM_MEMBERS": "all", "ROOM_REPLICAS": "6", "LAST_SEEN_TTL": "0",
	"SYNC_ALWAYS": "perhaps", "SETTINGS_FILE": "/no/such/file", "RULES_FILE": "/no/such/file", "DEDUPE_WINDOW": "0", "HISTORY_MEMORY": "1KiB", "SESSION_TTL": "soon",
	"DRAIN_PERIOD": "20", "SHUTDOWN_TIMEOUT": "1", "NODE_NAME": "node 1", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml",
}

// anyText is the settings for which any text will do, as far as a start can tell.
var anyText = []string{"JWT_ISSUER", "JWT_AUDIENCE", "DATA_DIR"}

// TestBadSettings: one line that names the setting, from the environment and as a flag.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, s := range config.Settings() {
		bad, ok := badValues[s.Name]
		if s.Name == "" || slices.Contains(anyText, s.Name) {
			continue
		}
		if !ok {
			t.Errorf("%s: no bad value here to try", s.Name)
		}
		env := []string{"JWT_SECRET=" + secret, "PORT=0", "DATA_DIR=" + t.TempDir()}
		for _, try := range []struct{ env, args []string }{
			{append(env, s.Name+"="+bad), s.Commands[:1]},
			{env, []string{s.Commands[0], "-" + s.Flag + "=" + bad}},
		} {
			code, stdout, stderr := runBinary(t, try.env, try.args...)
			if !strings.HasPrefix(stderr, "realtime: "+s.Name+": ") || len(lines(stderr)) != 1 {
				t.Errorf("%v: stderr is not one line on %s:\n%s", try.args, s.Name, stderr)
			}
			if code == 0 || stdout != "" {
				t.Errorf("%v: exit code %d, stdout %q", try.args, code, stdout)
			}
		}
	}
}

func TestBadCommandLine(t *testing.T) {
	t.Parallel()
	env := []string{"JWT_SECRET=" + secret}
	refuses(t, `unknown command "gatway"; try: realtime help`, env, "gatway")
	refuses(t, `no help for "gatway"; try: realtime help`, env, "help", "gatway")
	refuses(t, `unexpected argument "1": version takes none`, env, "version", "1")
	refuses(t, `-prot: no such setting; see realtime all -h`, env, "-prot", "8081")
	refuses(t, `-prot: no such setting; see realtime router -h`, env, "router", "-prot=8081")
	refuses(t, `-dev: not a setting of realtime gateway, only of all`, env, "gateway", "-dev")
	refuses(t, `unexpected argument "8081": settings are flags, see realtime all -h`, env, "all", "8081")
	refuses(t, `flag needs an argument: -port; see realtime all -h`, env, "-port")
}

func TestMissingSecret(t *testing.T) {
	t.Parallel()
	const key = "JWT_SECRET: required, at least 32 bytes, or JWT_PUBLIC_KEY or JWT_JWKS_URL instead"
	refuses(t, key+"; to try things out, start with -dev", nil)
	refuses(t, key, nil, "gateway")
	refuses(t, "JWT_SECRET: must be at least 32 bytes, has 31", []string{"JWT_SECRET=" + secret[:31]}, "gateway")
	refuses(t, "JWT_SECRET: must be at least 32 bytes, has 5", []string{"JWT_SECRET=short"}, "-dev")
}

func TestUnusableKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, stderr := runBinary(t, []string{"JWT_PUBLIC_KEY=" + file, "PORT=0", "DATA_DIR=" + t.TempDir()})
	if !strings.HasPrefix(stderr, "realtime: JWT_PUBLIC_KEY: ") || len(lines(stderr)) != 1 {
		t.Errorf("stderr %s", stderr)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	env := []string{"JWT_SECRET=" + secret, "HOST=127.0.0.1", "DATA_DIR=" + t.TempDir()}
	for _, command := range []string{"all", "gateway", "router", "presence"} {
		refuses(t, "PORT: 127.0.0.1:"+port+" is already in use", env, command, "-port", port)
	}
	refuses(t, "EMBEDDED_NATS_PORT: 127.0.0.1:"+port+" is already in use", env, "-port=0", "-embedded-nats-port", port)
	refuses(t, "HOST: 192.0.2.1 is not an address of this machine", env, "-host", "192.0.2.1", "-port=0")
}

func TestUnusableDataDir(t *testing.T) {
	t.Parallel()
	// Permissions do not stop root; a file in the way stops everybody.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"JWT_SECRET=" + secret, "PORT=0"}
	refuses(t, "DATA_DIR: cannot make "+file+"/nats: not a directory", env, "-data-dir", file)

	dir := t.TempDir()
	first := launch(t, append(env, "DATA_DIR="+dir))
	first.address()
	refuses(t, "DATA_DIR: "+dir+"/nats is in use by another process", env, "-data-dir", dir)
	first.terminate(patience)
	second := launch(t, append(env, "DATA_DIR="+dir)) // and free again
	second.address()
	if os.Getuid() == 0 {
		return
	}
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	refuses(t, "DATA_DIR: cannot make "+locked+"/nats: permission denied", env, "-data-dir", locked)
}

func TestUnusableNATS(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, "--user", "realtime", "--pass", "open sesame")
	env := []string{"JWT_SECRET=" + secret, "PORT=0", "NATS_CONNECT_TIMEOUT=300ms"}
	for _, command := range []string{"all", "gateway", "router", "presence"} {
		refuses(t, "NATS_URL: cannot reach nats://127.0.0.1:1 within 300ms: connection refused",
			append(env, "NATS_URL=nats://realtime:secret@127.0.0.1:1"), command)
		refuses(t, "NATS_URL: nats://"+nats+" refused the credentials: nats: Authorization Violation",
			append(env, "NATS_URL=nats://realtime:wrong@"+nats), command)
	}
	file := filepath.Join(t.TempDir(), "nats.creds")
	if err := os.WriteFile(file, []byte("nothing of use\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, `NATS_CREDENTIALS: unable to extract key pair from file "`+file+`": nkeys: no nkey seed found`,
		append(env, "NATS_URL="+nats, "NATS_CREDENTIALS="+file), "router")
}

// startNATS runs a NATS server without JetStream and returns its host and port.
func startNATS(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	path, err := cluster.NATSBinary(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p := launchProgram(t, nil, nil, path, append(args, "-a", "127.0.0.1", "-p", "-1")...)
	port := p.find(&p.stderr, `Listening for client connections on 127.0.0.1:(\d+)`)
	p.find(&p.stderr, "Server is ready")
	return "127.0.0.1:" + port
}
