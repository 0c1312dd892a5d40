// Package protocol is the contract with clients, version 1: the envelope that they
// send, the frames that they get, and the codes in both. docs/PROTOCOL.md tells it in
// full; what this package encodes is what stands there.
//
// Frames are built complete, WebSocket header included, because a server's frames
// are not masked: the bytes of one frame serve every subscriber on every gateway.
package protocol

// Version is the version of the protocol that a welcome names.
const Version = "1"

// Subprotocol is the WebSocket subprotocol that names this protocol.
const Subprotocol = "realtime.v1"

// TokenSubprotocol and a JWT behind it are how a browser passes its token: as a subprotocol.
const TokenSubprotocol = "access_token."

// MaxDepth is how deep the objects and arrays of a message may nest.
const MaxDepth = 512

// MaxID is the greatest length of a message's id in bytes.
const MaxID = 128
