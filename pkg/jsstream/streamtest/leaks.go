package streamtest

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyTestMain runs a package's tests and fails where goroutines are left at the end, but for those of the NATS
// server's stores: a stream that is being made while its server shuts down keeps them.
func VerifyTestMain(m *testing.M) {
	const server = "github.com/nats-io/nats-server/v2/server"
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction(server+"/ats.Register.func1"),
		goleak.IgnoreTopFunction(server+".(*fileStore).flushStreamStateLoop"),
	)
}
