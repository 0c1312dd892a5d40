// Package store is what outlives connections and owners in Redis: the direct messages that wait
// for absent users, when users were last seen, the sessions in which clients resume, which refresh tokens
// were used, and what is revoked.
//
// Every call goes through one circuit breaker. While Redis is away it is open, calls fail at once with
// ErrUnavailable, and whatever does not need Redis goes on.
//
// Redis 6.2 or later. It promises what Redis promises: a message is kept once Redis has acknowledged
// it, through a crash of the Redis process with appendonly yes, through a power failure with
// appendfsync always. A failover may lose what the replica had not yet received. maxmemory-policy
// has to be noeviction, otherwise Redis drops queues when its memory is full.
package store
