package process

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// trimEvery is how often Trim looks.
	trimEvery = 2 * time.Second
	// A process is quiet that allocates no more than trimQuiet between two looks: one that only delivers.
	trimQuiet = 512 << 10
	// Trimmed is what has at least trimLeast, and an eighth of what is in use, to give back.
	trimLeast = 1 << 20
)

// Trim gives memory back to the system whenever the process has become quiet: what connections needed while
// they began, and the room that the garbage collector leaves for garbage, which is as much again as is in use. While much is going on it does
// nothing, so that collecting garbage stays as cheap as Go's default makes it; a trim itself takes a few milliseconds of CPU for each 10 MB in use.
func Trim(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	var t trimmer
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if t.look() {
				debug.FreeOSMemory()
				t.kept = t.heap()
			}
		}
	}
}

// trimmer decides when to trim.
type trimmer struct {
	allocated uint64 // bytes, ever, at the latest look
	kept      uint64 // resident bytes of the heap after the latest trim
}

// look reports whether the process is quiet and has something to give back.
func (t *trimmer) look() bool {
	before := t.allocated
	resident := t.heap()
	return t.allocated-before <= trimQuiet && resident >= t.kept+t.kept/8+trimLeast
}

// heap is how much of the heap is resident, garbage and free pages included. It notes how much was ever allocated.
func (t *trimmer) heap() (resident uint64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	t.allocated = samples[0].Value.Uint64()
	return samples[1].Value.Uint64() + samples[2].Value.Uint64()
}
