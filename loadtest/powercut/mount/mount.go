//go:build linux

// Package mount lets processes use a disk.Disk, by FUSE. It needs /dev/fuse and the right to mount, which root has.
package mount

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/realtime-cluster/realtime/loadtest/powercut/disk"
)

// Mount is a Disk under a directory. Its methods take turns by their caller.
type Mount struct {
	Dir  string // where processes see it
	disk *disk.Disk

	server *fuse.Server // nil while it is not mounted
}

// New makes an empty disk that keeps its bytes below dir, and mounts it there.
func New(dir string) (*Mount, error) {
	bytes := filepath.Join(dir, "safe")
	m := &Mount{Dir: filepath.Join(dir, "disk"), disk: disk.New(bytes)}
	for _, d := range []string{bytes, m.Dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("mount a disk: %w", err)
		}
	}
	return m, m.mount()
}

func (m *Mount) mount() error {
	fresh := time.Minute // nobody else changes what the kernel knows
	var err error
	m.server, err = fs.Mount(m.Dir, &node{disk: m.disk, node: m.disk.Root()}, &fs.Options{
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true,
			FsName:            "powercut",
			Name:              "powercut",
			DisableXAttrs:     true,
			MaxWrite:          1 << 20,
		},
		EntryTimeout:    &fresh,
		AttrTimeout:     &fresh,
		RootStableAttr:  &fs.StableAttr{Ino: m.disk.Root().ID},
		NullPermissions: true,
	})
	if err != nil {
		m.server = nil
		return fmt.Errorf("mount a disk, for which one must be root and have /dev/fuse: %w", err)
	}
	return nil
}

// Cut is a power loss, see disk.Disk, and mounts what is left. Whoever had files open must be dead.
func (m *Mount) Cut(rng *rand.Rand) (disk.Forgotten, error) {
	if err := m.unmount(); err != nil {
		return disk.Forgotten{}, err
	}
	forgotten, err := m.disk.Cut(rng)
	if err != nil {
		return forgotten, fmt.Errorf("cut the power: %w", err)
	}
	return forgotten, m.mount()
}

// Syncs counts what was made safe by whoever uses the disk.
func (m *Mount) Syncs() int { return m.disk.Syncs() }

// Close unmounts. Whoever had files open must be dead.
func (m *Mount) Close() error {
	err := m.unmount()
	m.disk.Close()
	return err
}

// patience is how long a process that was killed may go on holding the disk.
const patience = 10 * time.Second

func (m *Mount) unmount() error {
	if m.server == nil {
		return nil
	}
	deadline := time.Now().Add(patience)
	for {
		err := m.server.Unmount()
		switch {
		case err == nil:
			m.server.Wait()
			m.server = nil
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("unmount %s: %w", m.Dir, errors.Join(err, errBusy))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var errBusy = errors.New("somebody uses it")
