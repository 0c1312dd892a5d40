//go:build !linux

// Package mount lets processes use a disk.Disk, by FUSE; on Linux.
package mount
