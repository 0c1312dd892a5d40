// Package gateway holds the clients' sockets, and nothing that they do not imply.
//
// Each loop is one goroutine with its own epoll set, its own connections, its own table
// of who is subscribed to what, and its own links to the owners of topics. Loops share no
// state: others talk to one through its mailbox. A turn of a loop takes what the sockets and
// the mailbox brought, then writes each socket concerned once and each batch once.
//
//	acceptor ──▶ loop: head ──▶ verifier ──▶ loop: open    (handshake)
//	socket ──▶ loop ──▶ link ──▶ NATS                      (up)
//	NATS ──▶ reader ──▶ every loop concerned ──▶ sockets   (down)
//
// What a connection costs when it is idle is its conn, its entries in the subscription
// table, and nothing else: no goroutine, no buffer.
package gateway
