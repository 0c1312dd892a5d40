// Package usage tells what processes use of the machine, read from the kernel of Linux.
package usage
