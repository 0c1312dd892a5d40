package loadtest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-cluster/realtime/loadtest/client"
	"github.com/realtime-cluster/realtime/loadtest/cluster"
)

// TestLoadBalancer puts the HAProxy of docker-compose.yml, with its own configuration files, before two gateways: both get a
// fair share of the clients, the address of a client is told and cannot be feigned, a gateway that stops gets no more, and its clients
// come back to the other one; and wss:// works.
func TestLoadBalancer(t *testing.T) {
	const clients, drain = 200, 2 * time.Second
	c := cluster.StartTest(t, cluster.Spec{NATS: 3, Redis: true, Gateways: 2, Routers: 1, Presences: 1, Env: []string{
		"TRUSTED_PROXIES=127.0.0.1", "RATE_LIMIT_ADDRESS_RPS=1", "RATE_LIMIT_ADDRESS_BURST=3", fmt.Sprint("DRAIN_PERIOD=", drain),
	}})
	lb := startBalancer(t, c)
	first, second := c.Gateways[0], c.Gateways[1]
	open := func(p *cluster.Process) int {
		t.Helper()
		n, err := p.Metric(t.Context(), "realtime_gateway_connections", nil)
		must(t, err)
		return int(n)
	}

	var heard atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); wg.Wait() }()
	for i := range clients {
		dial := func() (*client.Client, error) {
			token, err := c.Token(fmt.Sprint("user-", i))
			if err != nil {
				return nil, err
			}
			conn, err := client.Dial(ctx, lb.ws, token, client.Options{Deliver: func(client.Delivery) { heard.Add(1) }})
			if err != nil {
				return nil, err
			}
			_, err = conn.Subscribe(ctx, "all")
			return conn, err
		}
		conn, err := dial()
		must(t, err)
		// Whoever is closed comes back, as the library of an application does.
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					conn.Abort()
					<-conn.Done()
					return
				case <-conn.Done():
				}
				for {
					next, err := dial()
					if err == nil {
						conn = next
						break
					}
					var refused *client.HandshakeError
					if errors.As(err, &refused) {
						t.Errorf("user-%d was refused: %v", i, err)
					}
					select {
					case <-ctx.Done():
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
			}
		})
	}
	if a, b := open(first), open(second); a+b != clients || a < clients*2/5 || b < clients*2/5 {
		t.Errorf("the gateways have %d and %d of %d clients", a, b, clients)
	}

	// What one says all hear, whichever gateway they are at.
	token, err := c.Token("speaker")
	must(t, err)
	speaker, err := client.Dial(t.Context(), lb.wss, token, client.Options{})
	if err == nil {
		t.Error("a certificate of nobody was believed")
		_ = speaker.Close()
	}
	said := dialTLS(t, lb, token)
	said(`{"type":"Broadcast","id":"1","data":{"topic":"all","payload":"over TLS"}}`)
	eventually(t, "all have heard it", func() bool { return heard.Load() == clients })

	// The gateways hear a client's address from HAProxy, and not what the client says of it: more than the two gateways let one
	// address ask at once is refused, also to one among those of TRUSTED_PROXIES, and another address is not concerned.
	refused := 0
	for i := range 10 {
		if lb.refresh(t, "127.0.0.1", fmt.Sprint("192.0.2.", i)) == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("an address that asks too often is not refused when it feigns others")
	}
	if code := lb.refresh(t, "127.0.0.6", ""); code == http.StatusTooManyRequests {
		t.Error("another address is refused, too")
	}

	// One gateway stops, in good order.
	ended := make(chan error, 1)
	go func() {
		code, err := first.Stop(t.Context())
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d", code)
		}
		ended <- err
	}()
	eventually(t, "the clients are at the other gateway", func() bool { return open(second) >= clients })
	must(t, <-ended)
	said = dialTLS(t, lb, token) // what it had was perhaps closed
	eventually(t, "all are subscribed again", func() bool {
		heard.Store(0)
		said(`{"type":"Broadcast","id":"2","data":{"topic":"all","payload":"again"}}`)
		time.Sleep(200 * time.Millisecond)
		return heard.Load() == clients
	})
	if got := lb.get(t, "/readyz"); got != http.StatusOK {
		t.Errorf("with one gateway: %d", got)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	err := until(t.Context(), func() error {
		if !is() {
			return errors.New("not yet: " + what)
		}
		return nil
	})
	must(t, err)
}

type balancer struct {
	ws, wss, http string
	roots         *x509.CertPool // of the certificate behind wss
}

// get asks for a page through the load balancer.
func (b *balancer) get(t *testing.T, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.http+path, nil)
	must(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	must(t, err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// refresh asks for tokens, by a token that is none, from one of this machine's addresses, and claims to be forwarded.
func (b *balancer) refresh(t *testing.T, from, claimed string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.http+"/sessions/refresh", strings.NewReader(`{"refresh_token":"none"}`))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", claimed)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: d.DialContext}}).Do(req)
	must(t, err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// startBalancer runs HAProxy before the gateways of c as docker-compose.yml does, with tls.cfg.
func startBalancer(t *testing.T, c *cluster.Cluster) *balancer {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/haproxy") // Debian's place, which is not in everybody's PATH
	}
	if err != nil {
		t.Fatal("haproxy is not installed: it comes with the package haproxy of Debian and Ubuntu; make test installs it")
	}
	plain, encrypted, stats := freeAddress(t), freeAddress(t), freeAddress(t)
	certificate, roots := selfSigned(t)
	cmd := exec.Command(path, "-db", "-f", "../deploy/compose/haproxy.cfg", "-f", "../deploy/compose/tls.cfg")
	cmd.Env = append(os.Environ(), "LISTEN_CLIENTS="+plain, "LISTEN_TLS="+encrypted, "LISTEN_STATS="+stats, "TLS_CERTIFICATE="+certificate)
	for i, g := range c.Gateways {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GATEWAY_%d=127.0.0.1:%d", i+1, g.Port))
	}
	log := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy:\n%.4000s", log)
		}
	})
	b := &balancer{ws: "ws://" + plain + "/ws", wss: "wss://" + encrypted + "/ws", http: "http://" + plain, roots: roots}
	alive := &balancer{http: "http://" + stats}
	eventually(t, "HAProxy listens", func() bool {
		conn, err := net.Dial("tcp", stats)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return alive.get(t, "/alive") == http.StatusOK
	})
	return b
}

// dialTLS connects by wss:// with the certificate's root, and returns what sends a message and waits for its Ack.
func dialTLS(t *testing.T, b *balancer, token string) (send func(text string)) {
	t.Helper()
	d := ws.Dialer{
		TLSConfig: &tls.Config{RootCAs: b.roots, MinVersion: tls.VersionTLS12},
		Header:    ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}},
	}
	conn, _, _, err := d.Dial(t.Context(), b.wss)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return func(text string) {
		t.Helper()
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		must(t, wsutil.WriteClientText(conn, []byte(text)))
		for {
			answer, err := wsutil.ReadServerText(conn)
			must(t, err)
			if strings.Contains(string(answer), `"type":"Ack"`) {
				return
			}
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// selfSigned writes a certificate of 127.0.0.1 with its key, as HAProxy wants them: in one file.
func selfSigned(t *testing.T) (file string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	file = filepath.Join(t.TempDir(), "server.pem")
	must(t, os.WriteFile(file, append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), 0o600))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return file, roots
}
