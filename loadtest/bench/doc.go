// Command bench measures what the server costs and how fast it is.
//
// It starts the real binary and drives it over thousands of loopback sockets, in
// parts, each with servers of its own (-only names those that are wanted):
//
//   - deliveries: CPU per delivery. All sockets on one topic, one message at a time,
//     each message when the one before it has been read by everybody; then the same
//     sockets in small groups, a topic each, at a steady rate;
//   - hot: a topic with hundreds of sockets and a thousand messages a second, in one process
//     and split;
//   - idle: what the processes grow by per subscribed connection;
//   - presence: from a change of a user's presence to each watcher, on two gateways;
//   - ghosts: from the kill -9 of a gateway to each watcher of its users;
//   - direct: a direct message beside a Broadcast to one subscriber;
//   - room: a large room that all join, and its messages beside those of a topic with
//     the same connections;
//   - history: topics with history beside topics without, one and many, each with an Ack of each
//     message: as many as there is room for, and at a steady rate; stored once in one process, and three times in a cluster;
//   - recovery: clients that all come back at once, each of which missed messages;
//   - session: two clusters with as many connections, one of which keeps sessions;
//   - flood: what many who talk notice while one client sends more than it may, and what that costs.
//
// The first part, a part of idle, one of direct and one of history run the whole cluster as one process with
// its embedded NATS server; all others a process for each role, with NATS and Redis.
//
// Beside the deliveries it runs, in turns with the server's rounds, a bare
// program that writes frames of the same size to as many raw TCP sockets in the
// same pattern, one non-blocking write() after another: the price that no server
// which sends each frame by itself can undercut. With all sockets on one topic nobody
// reads while either of them writes; in small groups everybody does.
//
// CPU is user and system time of the processes under test, from the kernel's
// clock of each process in nanoseconds; it includes what loopback does on the
// receiver's behalf inside the sender's system call. Times are taken by the clients, on the
// same machine: they hold the client's own share too.
//
// Every message carries a number, every change is one that only it can be, and every socket
// must see every one once and in order: a bench that lost something prints no figures and fails.
package main
