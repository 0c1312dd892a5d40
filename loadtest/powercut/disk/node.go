package disk

import (
	"os"
	"time"
)

// The sizes in which a disk forgets.
const (
	pageSize   = 4096
	sectorSize = 512
)

// Node is a file or a directory. It stays usable when it has no name any more.
type Node struct {
	// static
	ID  uint64 // the root has 1
	Dir bool

	// All else is guarded by Disk.mu.

	Mode  uint32 // of permissions
	mtime time.Time
	home  place // its name as processes see it; none when it was removed

	names     map[string]*Node // of a directory
	safeNames map[string]*Node
	safeHome  place

	store    *os.File // of a file: its safe bytes
	safeSize int64    // how many there are
	kept     int64    // so many of them were not cut off since
	size     int64
	pages    map[int64][]byte // not safe, by number
}

// place is a name in a directory.
type place struct {
	dir  *Node
	name string
}

// page returns the page of that number for writing to it.
func (n *Node) page(number int64) ([]byte, error) {
	if p := n.pages[number]; p != nil {
		return p, nil
	}
	p := make([]byte, pageSize)
	if err := n.readSafe(p, number*pageSize); err != nil {
		return nil, err
	}
	n.pages[number] = p
	return p, nil
}

// readSafe fills b with what is on the disk at off; zeros where nothing is.
func (n *Node) readSafe(b []byte, off int64) error {
	clear(b)
	if off >= n.kept {
		return nil
	}
	_, err := n.store.ReadAt(b[:min(int64(len(b)), n.kept-off)], off)
	return err
}

func (n *Node) write(b []byte, off int64) error {
	for len(b) > 0 {
		p, err := n.page(off / pageSize)
		if err != nil {
			return err
		}
		copied := copy(p[off%pageSize:], b)
		b, off = b[copied:], off+int64(copied)
		n.size = max(n.size, off)
	}
	return nil
}

func (n *Node) read(b []byte, off int64) (int, error) {
	if off >= n.size {
		return 0, nil
	}
	b = b[:min(int64(len(b)), n.size-off)]
	for done := 0; done < len(b); {
		at := off + int64(done)
		part := b[done:min(len(b), done+int(pageSize-at%pageSize))]
		if p := n.pages[at/pageSize]; p != nil {
			copy(part, p[at%pageSize:])
		} else if err := n.readSafe(part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(b), nil
}

func (n *Node) truncate(size int64) error {
	if size < n.size {
		for number := range n.pages {
			if number*pageSize >= size {
				delete(n.pages, number)
			}
		}
		if rest := size % pageSize; rest != 0 && n.pages[size/pageSize] != nil {
			clear(n.pages[size/pageSize][rest:])
		}
		n.kept = min(n.kept, size)
	}
	n.size = size
	return nil
}

// sync makes the bytes safe.
func (n *Node) sync() error {
	if n.kept < n.safeSize {
		if err := n.store.Truncate(n.kept); err != nil {
			return err
		}
	}
	for number, p := range n.pages {
		at := number * pageSize
		if _, err := n.store.WriteAt(p[:min(pageSize, n.size-at)], at); err != nil {
			return err
		}
	}
	if err := n.store.Truncate(n.size); err != nil {
		return err
	}
	n.kept, n.safeSize = n.size, n.size
	clear(n.pages)
	return nil
}
