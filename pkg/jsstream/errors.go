package jsstream

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Codes of API errors that nats.go does not name.
const (
	CodeNoPeers          jetstream.ErrorCode = 10005 // fewer servers than replicas
	CodeNotAvailable     jetstream.ErrorCode = 10008 // the cluster has no leader just now
	CodeNotLeader        jetstream.ErrorCode = 10009 // this server does not lead any more
	CodeNoResources      jetstream.ErrorCode = 10023 // the server has no room; of older servers also: fewer servers than replicas
	CodeStorageFull      jetstream.ErrorCode = 10047
	CodeHeaderTooLarge   jetstream.ErrorCode = 10097
	CodeStreamNotMatched jetstream.ErrorCode = 10060 // another stream has the subject
	CodeNoReplicas       jetstream.ErrorCode = 10074 // no cluster, so one replica at most
	CodeStoreFailed      jetstream.ErrorCode = 10077 // its description tells why
)

// HasCode reports whether err is an API error with one of the codes.
func HasCode(err error, codes ...jetstream.ErrorCode) bool {
	var reply jetstream.JetStreamError
	return errors.As(err, &reply) && reply.APIError() != nil && slices.Contains(codes, reply.APIError().ErrorCode)
}

// Mismatched reports whether a write was refused because its condition did not hold, or because a write of
// the subject was under way.
func Mismatched(err error) bool {
	return HasCode(err, jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Vanished reports whether nobody serves the stream: it has no leader, or is no more.
func Vanished(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, jetstream.ErrStreamNotFound)
}
