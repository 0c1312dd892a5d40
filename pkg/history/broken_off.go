//go:build !broken

package history

import "time"

// Unfenced is not used: see Breaks.
const Unfenced = 0

// Breaks reports whether this program was built with the tag broken and is to be wrong in a way: tests that
// have to show that they would notice something make it so.
func Breaks(string) bool { return false }

func broken(string) bool { return false }

func (*Log) rush(time.Time) {}
