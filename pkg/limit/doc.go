// Package limit decides whether a rate allows one more, and how a rate is divided among several who
// enforce a part of it each. It is pure: it reads no clock and keeps nobody's time; whoever calls
// gives the time, in nanoseconds of any steady clock that began before it was first asked.
package limit
