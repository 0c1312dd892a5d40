package topic

import "strings"

// Match reports whether pattern matches the topic name. A wildcard as the first token never
// matches a system topic. Both are taken to be valid; others get an answer too, from the same
// rules over whatever lies between the dots.
func Match(pattern, name string) bool {
	if IsSystem(name) && !IsSystem(pattern) {
		return false
	}
	for {
		want, wantRest, wantMore := strings.Cut(pattern, ".")
		if want == tail && !wantMore {
			return true
		}
		got, gotRest, gotMore := strings.Cut(name, ".")
		if (want != one && want != got) || wantMore != gotMore {
			return false
		}
		if !wantMore {
			return true
		}
		pattern, name = wantRest, gotRest
	}
}

// Covers reports whether pattern matches every topic that sub matches, sub being a topic or a
// pattern. A wildcard as pattern's first token covers no sub that begins with '$'. Both are
// taken to be valid.
func Covers(pattern, sub string) bool {
	if IsSystem(sub) && !IsSystem(pattern) {
		return false
	}
	for {
		want, wantRest, wantMore := strings.Cut(pattern, ".")
		if want == tail && !wantMore {
			return true
		}
		got, gotRest, gotMore := strings.Cut(sub, ".")
		// A tail of sub matches topics of any length, which only a tail of pattern does too.
		if (got == tail && !gotMore) || (want != one && want != got) || wantMore != gotMore {
			return false
		}
		if !wantMore {
			return true
		}
		pattern, sub = wantRest, gotRest
	}
}
