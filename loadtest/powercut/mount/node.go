//go:build linux

package mount

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/realtime-cluster/realtime/loadtest/powercut/disk"
)

// node is a disk.Node as the kernel knows it.
type node struct {
	fs.Inode
	disk *disk.Disk
	node *disk.Node
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// errno is what the kernel is told of err.
func errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return syscall.EIO
}

func kind(n *disk.Node) uint32 {
	if n.Dir {
		return syscall.S_IFDIR
	}
	return syscall.S_IFREG
}

func (n *node) attr(of *disk.Node, out *fuse.Attr) {
	size, mode, mtime := n.disk.Stat(of)
	out.Ino, out.Size, out.Mode, out.Nlink = of.ID, uint64(size), kind(of)|mode, 1
	out.Blocks = uint64(size+511) / 512
	out.SetTimes(nil, &mtime, &mtime)
}

// child makes a node known to the kernel.
func (n *node) child(ctx context.Context, c *disk.Node, out *fuse.EntryOut) *fs.Inode {
	n.attr(c, &out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, node: c}, fs.StableAttr{Mode: kind(c), Ino: c.ID})
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c, err := n.disk.Lookup(n.node, name)
	if err != nil {
		return nil, errno(err)
	}
	return n.child(ctx, c, out), 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attr(n.node, &out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if mode, ok := in.GetMode(); ok {
		n.disk.Chmod(n.node, mode)
	}
	if size, ok := in.GetSize(); ok {
		if err := n.disk.Truncate(n.node, int64(size)); err != nil {
			return errno(err)
		}
	}
	n.attr(n.node, &out.Attr)
	return 0
}

func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	c, err := n.disk.Make(n.node, name, false, mode)
	if err != nil {
		return nil, nil, 0, errno(err)
	}
	return n.child(ctx, c, out), nil, 0, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c, err := n.disk.Make(n.node, name, true, mode)
	if err != nil {
		return nil, errno(err)
	}
	return n.child(ctx, c, out), 0
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return errno(n.disk.Remove(n.node, name, false))
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return errno(n.disk.Remove(n.node, name, true))
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	target, ok := to.(*node)
	if !ok || flags != 0 {
		return syscall.EINVAL
	}
	return errno(n.disk.Rename(n.node, name, target.node, newName))
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	names, nodes := n.disk.List(n.node)
	entries := make([]fuse.DirEntry, len(names))
	for i, name := range names {
		entries[i] = fuse.DirEntry{Name: name, Mode: kind(nodes[i]), Ino: nodes[i].ID}
	}
	return fs.NewListDirStream(entries), 0
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got, err := n.disk.Read(n.node, dest, off)
	if err != nil {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:got]), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if err := n.disk.Write(n.node, data, off); err != nil {
		return 0, errno(err)
	}
	return uint32(len(data)), 0
}

// syncTime is what a sync takes. What is acknowledged before it has ended is at risk for so long.
const syncTime = time.Millisecond

// Fsync is also what the kernel asks for behind each write to a file that was opened with O_SYNC.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	time.Sleep(syncTime)
	return errno(n.disk.Sync(n.node))
}

// Statfs says that there is room: NATS looks for it.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const blocks = 64 << 30 / 4096
	out.Blocks, out.Bfree, out.Bavail, out.Bsize, out.Frsize, out.NameLen = blocks, blocks, blocks, 4096, 4096, 255
	return 0
}
