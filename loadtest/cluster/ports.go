package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Below the range from which Linux and macOS take the ports of outgoing
// connections, of which load tests make many: a port found free, or that of a
// process about to be restarted, must not be taken by one of them.
const (
	lowestPort  = 15_000
	highestPort = 32_000
)

// freePorts finds n different ports of 127.0.0.1 that nobody listens on.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		// Held until all are found, so that they differ.
		defer func() { _ = l.Close() }()
		ports = append(ports, port)
	}
	return nil, errors.New("no free port")
}
