//go:build !broken

package fault

// Point does nothing.
func Point(string) {}
