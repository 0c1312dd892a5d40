// Package fault makes a program panic on purpose, at points of it that have names, for the tests that have to show what happens
// then. It does so only where the program was built with the tag broken, which no release is; otherwise Point compiles to
// nothing.
//
// The variable REALTIME_FAULT names the points and when each is to panic: after some time since the start of the
// process, once or again and again, such as "gateway.turn=5s" or "lane.apply=5s/100ms,lane.tick=10s". With a duration behind a colon it
// waits for so long instead: "gateway.turn=5s:1h" makes a loop hang, "gateway.turn=5s/1ms:600ms" makes all of them slow.
package fault
