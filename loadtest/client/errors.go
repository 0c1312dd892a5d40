package client

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tidwall/gjson"
)

// ErrClosed is returned by requests that found the connection closed by this
// side.
var ErrClosed = errors.New("connection closed")

// ServerError is an Error message.
type ServerError struct {
	Code    int    // as section 2 of the protocol lists them
	Message string // written for the client
	Details string // raw JSON, or empty
}

func (e *ServerError) Error() string {
	if e.Details == "" {
		return fmt.Sprintf("server error %d: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("server error %d: %s %s", e.Code, e.Message, e.Details)
}

// Code is the code of the ServerError in err's chain, or 0.
func Code(err error) int {
	if e, ok := errors.AsType[*ServerError](err); ok {
		return e.Code
	}
	return 0
}

// CloseError is the close frame with which the server ended the connection.
type CloseError struct {
	Code   int // 1005 when the frame carried none
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("closed by the server: %d %s", e.Code, e.Reason)
}

func closeCode(err error) (int, bool) {
	e, ok := errors.AsType[*CloseError](err)
	if !ok {
		return 0, false
	}
	return e.Code, true
}

// HandshakeError is an HTTP answer other than 101.
type HandshakeError struct {
	Status int
	Header http.Header // nil when the answer could not be parsed
	Body   []byte      // at most 64 KiB
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("handshake refused: %d %s", e.Status, e.Body)
}

func errorOf(data string) *ServerError {
	d := gjson.Parse(data)
	return &ServerError{
		Code:    int(d.Get("code").Int()),
		Message: d.Get("message").Str,
		Details: d.Get("details").Raw,
	}
}
