package protocol

import (
	"errors"
	"testing"
)

func TestParseRefreshToken(t *testing.T) {
	for _, tt := range []struct {
		data, want string
		err        error
	}{
		{`{"token":"a.b.c"}`, "a.b.c", nil}, {`{"x":1,"token":"a"}`, "a", nil}, {`{"token":""}`, "", nil},
		{`{}`, "", ErrTokenMissing}, {``, "", ErrTokenMissing}, {`{"token":null}`, "", ErrTokenMissing}, {`{"token":["a"]}`, "", ErrTokenType},
	} {
		if got, err := ParseRefreshToken(tt.data); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", tt.data, got, err)
		}
	}
}

func TestAppendTokenExpiring(t *testing.T) {
	const want = `{"type":"AuthStatus","data":{"status":"token_expiring","expires_at":1763856060000,"refresh_required":true}}`
	if b, frame := AppendTokenExpiring([]byte("before"), 1763856060000); string(frame[2:]) != want || string(b[:6]) != "before" {
		t.Errorf("%s", frame)
	}
}
