package client

import "time"

// Options of a connection; the zero value is usable.
type Options struct {
	// These are called for each message of their kind in the order of arrival, on
	// the read goroutine: while one runs, nothing is read. A Broadcast that nobody
	// takes is dropped, the others go to Other.
	Deliver   func(Delivery)
	Direct    func(DirectMessage)
	Room      func(RoomMessage)
	RoomEvent func(RoomEvent)
	Presence  func(Presence) // changes; the answers to GetPresence are not among them
	Gap       func(Gap)      // a Status history_gap
	// Welcome is called by Dial, before it returns and before any of the others.
	Welcome func(Welcome)
	// Other is called likewise for each message that none of these takes and that
	// is not the reply to a request of this client.
	Other func(Message)

	// Mute leaves the server's pings unanswered.
	Mute bool

	// Session is the session to resume, if any.
	Session string

	// TokenBy says how the token travels; TokenInHeader by default.
	TokenBy TokenPlace

	DialTimeout  time.Duration // connect, handshake and welcome; 10 s by default
	ReplyTimeout time.Duration // a request whose context has no deadline; 10 s by default
	WriteTimeout time.Duration // one write to the socket; 10 s by default
	CloseTimeout time.Duration // the server's answer to a close; 1 s by default
	MaxMessage   int           // bytes of one inbound message; 16 MiB by default
}

// TokenPlace is one of the three places in which a token may travel.
type TokenPlace int

// The places, as section 1 of the protocol lists them.
const (
	TokenInHeader      TokenPlace = iota // Authorization: Bearer
	TokenInSubprotocol                   // access_token.<jwt>, beside realtime.v1
	TokenInQuery                         // ?token=
)

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&o.DialTimeout, 10 * time.Second},
		{&o.ReplyTimeout, 10 * time.Second},
		{&o.WriteTimeout, 10 * time.Second},
		{&o.CloseTimeout, time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = 16 << 20
	}
	return o
}
