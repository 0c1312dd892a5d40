package disk

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Forgotten is what a cut took.
type Forgotten struct {
	Bytes   int64 // of files that had a name
	Changes int   // of names
}

// Cut is a power loss: what was not safe is gone. With rng some of it was on the disk already. Nobody may use the
// Disk meanwhile; afterwards nodes other than the root have to be looked up again.
func (d *Disk) Cut(rng *rand.Rand) (Forgotten, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if rng != nil {
		n := rng.IntN(len(d.journal) + 1)
		for _, c := range d.journal[:n] {
			c.apply()
		}
		d.journal = d.journal[n:]
	}
	f := Forgotten{Changes: len(d.journal)}
	d.journal = nil
	share := 0.0 // of the pages that reached the disk
	if rng != nil {
		share = rng.Float64()
	}
	for _, n := range d.files {
		named := n.home.dir != nil
		n.home = n.safeHome
		if n.Dir {
			n.names = maps.Clone(n.safeNames)
			continue
		}
		pages, err := n.forget(rng, share)
		if err != nil {
			return f, err
		}
		if named {
			f.Bytes += int64(pages) * pageSize
		}
	}
	return f, nil
}

// forget goes back to what is safe, but for a share of the pages, and tells how many others there were.
func (n *Node) forget(rng *rand.Rand, share float64) (pages int, err error) {
	if n.kept < n.safeSize && rng != nil && rng.Float64() < share {
		if err := n.store.Truncate(n.kept); err != nil {
			return 0, err
		}
		n.safeSize = n.kept
	}
	for _, number := range slices.Sorted(maps.Keys(n.pages)) {
		if rng == nil || rng.Float64() >= share {
			pages++
			continue
		}
		at := number * pageSize
		end := min(pageSize, n.size-at)
		if rng.IntN(4) == 0 {
			end = min(end, rng.Int64N(pageSize/sectorSize)*sectorSize)
		}
		if end == 0 {
			continue
		}
		if _, err := n.store.WriteAt(n.pages[number][:end], at); err != nil {
			return pages, err
		}
		n.safeSize = max(n.safeSize, at+end)
	}
	clear(n.pages)
	n.size, n.kept = n.safeSize, n.safeSize
	return pages, nil
}
