package document

import "bytes"

// Follower reads a file that may change. It is read, not watched: a notice of the file system misses the swap
// of the symbolic link above it, which is how Kubernetes updates a ConfigMap, and the new file that an editor
// renames over it; and over NFS none comes at all. To read up to 1 MiB a second costs nothing that one could measure.
type Follower struct {
	path string
	last reading // what was told last
	next reading // what was read last; it counts when it is read twice
}

// reading is what came of reading the file: its text, or an error.
type reading struct {
	text []byte
	err  string
}

func (r reading) same(other reading) bool {
	return r.err == other.err && bytes.Equal(r.text, other.text)
}

// Follow makes the Follower of a file that had this text when it was loaded.
func Follow(path string, text []byte) *Follower {
	r := reading{text: text}
	return &Follower{path: path, last: r, next: r}
}

// Poll reads the file, and reports whether it has changed since that was reported last. What it finds counts when the next look finds the
// same: a file may be half written, or away for a moment, while it is replaced.
func (f *Follower) Poll() (text []byte, changed bool, err error) {
	var r reading
	if r.text, err = Load(f.path); err != nil {
		r.err = err.Error()
	}
	settled := r.same(f.next)
	f.next = r
	if !settled || r.same(f.last) {
		return nil, false, nil
	}
	f.last = r
	return r.text, true, err
}
