package protocol

import (
	"errors"
	"strconv"
)

// Errors of a RefreshToken's data, worded for the client.
var (
	ErrTokenMissing = errors.New("token: missing")
	ErrTokenType    = errors.New("token: not a string")
)

// ParseRefreshToken reads the data of a RefreshToken. The token aliases data.
func ParseRefreshToken(data string) (string, error) {
	var raw string
	for key, value := range members(data) {
		if key == "token" {
			raw = value
		}
	}
	return text(raw, ErrTokenMissing, ErrTokenType)
}

// AppendTokenExpiring appends the AuthStatus that asks for another token; expiresAt is in Unix milliseconds.
func AppendTokenExpiring(b []byte, expiresAt int64) (buf, frame []byte) {
	b, at := begin(b)
	b = append(b, `{"type":"AuthStatus","data":{"status":"token_expiring","expires_at":`...)
	b = strconv.AppendInt(b, expiresAt, 10)
	return finish(append(b, `,"refresh_required":true}}`...), at)
}
