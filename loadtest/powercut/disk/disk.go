package disk

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Disk is one file system. Its methods may be called from any goroutine. Errors are syscall.Errno, or of the file
// system below.
type Disk struct {
	dir  string // where the safe bytes are, a file for each
	root *Node

	mu      sync.Mutex // guards what follows, and the nodes
	files   []*Node    // all that were made
	journal []change
	syncs   int
}

// New makes an empty Disk that keeps what is safe in the directory dir.
func New(dir string) *Disk {
	root := &Node{ID: 1, Dir: true, Mode: 0o755, names: map[string]*Node{}, safeNames: map[string]*Node{}}
	return &Disk{dir: dir, root: root, files: []*Node{root}}
}

// Root is the topmost directory.
func (d *Disk) Root() *Node { return d.root }

// Close closes the files of the Disk and leaves them where they are.
func (d *Disk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.files {
		if n.store != nil {
			_ = n.store.Close()
		}
	}
}

// Lookup finds what dir holds under name, or ENOENT.
func (d *Disk) Lookup(dir *Node, name string) (*Node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := dir.names[name]; n != nil {
		return n, nil
	}
	return nil, syscall.ENOENT
}

// Make makes a file or directory, or EEXIST.
func (d *Disk) Make(dir *Node, name string, isDir bool, mode uint32) (*Node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir.names[name] != nil {
		return nil, syscall.EEXIST
	}
	n := &Node{ID: uint64(len(d.files) + 1), Dir: isDir, Mode: mode & 0o7777, mtime: time.Now(), home: place{dir, name}}
	if isDir {
		n.names, n.safeNames = map[string]*Node{}, map[string]*Node{}
	} else {
		var err error
		file := filepath.Join(d.dir, strconv.FormatUint(n.ID, 10))
		if n.store, err = os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return nil, err
		}
		n.pages = map[int64][]byte{}
	}
	d.files = append(d.files, n)
	dir.names[name] = n
	dir.mtime = n.mtime
	d.journal = append(d.journal, change{{n.home, n}})
	return n, nil
}

// Remove removes a file, or an empty directory where isDir says so.
func (d *Disk) Remove(dir *Node, name string, isDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := dir.names[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case isDir && !n.Dir:
		return syscall.ENOTDIR
	case !isDir && n.Dir:
		return syscall.EISDIR
	case len(n.names) > 0:
		return syscall.ENOTEMPTY
	}
	delete(dir.names, name)
	n.home, dir.mtime = place{}, time.Now()
	d.journal = append(d.journal, change{{place{dir, name}, nil}})
	return nil
}

// Rename gives a node another name, which whatever had it before loses.
func (d *Disk) Rename(from *Node, name string, to *Node, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, old := from.names[name], to.names[newName]
	switch {
	case n == nil:
		return syscall.ENOENT
	case n == old:
		return nil
	case old != nil && old.Dir && !n.Dir:
		return syscall.EISDIR
	case old != nil && !old.Dir && n.Dir:
		return syscall.ENOTDIR
	case old != nil && len(old.names) > 0:
		return syscall.ENOTEMPTY
	}
	if old != nil {
		old.home = place{}
	}
	delete(from.names, name)
	to.names[newName] = n
	n.home = place{to, newName}
	from.mtime, to.mtime = time.Now(), time.Now()
	d.journal = append(d.journal, change{{place{from, name}, nil}, {n.home, n}})
	return nil
}

// List returns the names in dir, sorted, and what they stand for.
func (d *Disk) List(dir *Node) (names []string, nodes []*Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range dir.names {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		nodes = append(nodes, dir.names[name])
	}
	return names, nodes
}

// Stat tells the length in bytes, the permissions and the time of the last write.
func (d *Disk) Stat(n *Node) (size int64, mode uint32, mtime time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return n.size, n.Mode, n.mtime
}

// Chmod changes the permissions; that is safe at once, as nobody here depends on them.
func (d *Disk) Chmod(n *Node, mode uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n.Mode = mode & 0o7777
}

// Read reads from off to the end of b or of the file.
func (d *Disk) Read(n *Node, b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return n.read(b, off)
}

// Write writes b at off.
func (d *Disk) Write(n *Node, b []byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n.mtime = time.Now()
	return n.write(b, off)
}

// Truncate changes the length.
func (d *Disk) Truncate(n *Node, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n.mtime = time.Now()
	return n.truncate(size)
}

// Sync makes n safe.
func (d *Disk) Sync(n *Node) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	d.commitNode(n)
	if n.Dir {
		return nil
	}
	return n.sync()
}

// Syncs counts the calls of Sync.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}
