package stream

import (
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/realtime-cluster/realtime/pkg/natskey"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// partitions is how many streams a rule has. Changing it loses what is stored: keys would be looked for elsewhere.
const partitions = 8

// partitionOf is the stream of a key, 0 to 7.
func partitionOf(key string) int { return int(xxh3.HashString(key) % partitions) }

// streamName is what a stream is called.
func streamName(rule string, p int) string { return "rt_history_" + rule + "_" + strconv.Itoa(p) }

// prefixOf is what the subjects of a stream begin with.
func prefixOf(rule string, p int) string { return "rt.history." + rule + "." + strconv.Itoa(p) + "." }

// subject is where the entries of a key are: one token for a topic's name or a room's.
func (p *partition) subject(key string) string {
	kind, name := "t.", key
	if wire.IsRoom(key) {
		kind, name = "r.", wire.Name(key)
	}
	b := append(make([]byte, 0, len(p.prefix)+len(key)+16), p.prefix...)
	return string(natskey.Append(append(b, kind...), name))
}
