package protocol

import "github.com/gobwas/ws"

// Codes of an Error message.
const (
	CodeBadRequest   = 400 // cannot be read, or a field is wrong
	CodeUnauthorized = 401 // token missing, bad or expired
	CodeForbidden    = 403 // not allowed
	CodeNotFound     = 404 // no such room, user or history
	CodeConflict     = 409 // already exists, or in the wrong state
	CodeTooLarge     = 413 // frame over MAX_FRAME_SIZE
	CodeTooMany      = 429 // over a limit
	CodeInternal     = 500 // our fault
	CodeUnavailable  = 503 // a part is away
)

// Close codes, those of RFC 6455 section 7.4.1 and our own.
const (
	CloseNormal       = ws.StatusNormalClosure           // 1000
	CloseGoingAway    = ws.StatusGoingAway               // 1001
	CloseProtocol     = ws.StatusProtocolError           // 1002
	CloseInvalidUTF8  = ws.StatusInvalidFramePayloadData // 1007
	ClosePolicy       = ws.StatusPolicyViolation         // 1008
	CloseTooBig       = ws.StatusMessageTooBig           // 1009
	CloseInternal     = ws.StatusInternalServerError     // 1011
	CloseRestart      = ws.StatusCode(1012)              // draining: reconnect
	CloseOverloaded   = ws.StatusCode(1013)              // back off, reconnect
	CloseTokenExpired = ws.StatusCode(4401)              // or was revoked
	CloseDisconnected = ws.StatusCode(4403)              // by an operator
	CloseTimeout      = ws.StatusCode(4408)              // no frame and no pong for CLIENT_TIMEOUT
	CloseResumed      = ws.StatusCode(4409)              // its session goes on at another connection
	CloseSlow         = ws.StatusCode(4410)              // its queue passed its bound
)
