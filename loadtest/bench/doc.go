// Command bench measures what a delivery and an idle connection cost.
//
// It starts the real binary as one process, the whole cluster with its embedded
// NATS server, and drives it over thousands of loopback sockets:
//
//   - fan-out: all sockets on one topic, one message at a time, each message
//     when the one before it has been read by everybody;
//   - topics: the same sockets in small groups, a topic each, at a steady rate;
//   - idle: what the process grows by per subscribed connection.
//
// Beside the first two it runs, in turns with the server's rounds, a bare
// program that writes frames of the same size to as many raw TCP sockets in the
// same pattern, one non-blocking write() after another: the price that no server
// which sends each frame by itself can undercut. In the fan-out scenario nobody
// reads while either of them writes; in the topics scenario everybody does.
//
// CPU is user and system time of the process under test, from the kernel's
// clock of that process in nanoseconds; it includes what loopback does on the
// receiver's behalf inside the sender's system call, for both alike.
//
// Every message carries a number, and every socket must see every number once
// and in order: a bench that lost something prints no figures and fails.
package main
