package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/history"
	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

var (
	errStopped  = fmt.Errorf("%w: the store is not running", history.ErrUnavailable)
	errOverflow = fmt.Errorf("%w: too many writes are under way", history.ErrUnavailable)
	errTimeout  = fmt.Errorf("%w: no acknowledgement in time", history.ErrUnavailable)
	errLost     = fmt.Errorf("%w: the connection was lost", history.ErrUnavailable)
	errUnheard  = fmt.Errorf("%w: not yet heard", history.ErrUnavailable)
)

// sorted gives the error of a read its sentinel. What the caller ended itself says nothing about JetStream.
func sorted(caller context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case caller.Err() != nil:
		return caller.Err()
	default:
		return fmt.Errorf("%w: %w", history.ErrUnavailable, err)
	}
}

// ofWrite gives the error of a write its sentinel.
func ofWrite(err error) error {
	switch {
	case jsstream.Mismatched(err):
		return history.ErrConflict
	case refused(err):
		return fmt.Errorf("%w: %w", history.ErrRefused, err)
	default:
		return fmt.Errorf("%w: %w", history.ErrUnavailable, err)
	}
}

// refused tells whether a write was refused before any replica had it.
func refused(err error) bool {
	if errors.Is(err, nats.ErrMaxPayload) || jsstream.HasCode(err, jetstream.JSErrCodeStreamMessageExceedsMaximum,
		jsstream.CodeHeaderTooLarge, jsstream.CodeStorageFull, jsstream.CodeNoResources, jsstream.CodeStreamNotMatched) {
		return true
	}
	// Other reasons of this code are a disk's, and the other replicas may well have it.
	return jsstream.HasCode(err, jsstream.CodeStoreFailed) && strings.Contains(err.Error(), "maximum")
}

// readAck reads the stream's reply to a write. Its error has no sentinel.
func readAck(data []byte) (seq uint64, err error) {
	if seq = gjson.GetBytes(data, "seq").Uint(); seq > 0 {
		return seq, nil
	}
	reply := gjson.GetBytes(data, "error")
	if !reply.Exists() {
		return 0, errors.New("a reply that is no acknowledgement")
	}
	return 0, &jetstream.APIError{
		Code:        int(reply.Get("code").Int()),
		ErrorCode:   jetstream.ErrorCode(reply.Get("err_code").Int()),
		Description: reply.Get("description").String(),
	}
}

// outcome is what a call is counted as.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, history.ErrConflict):
		return "conflict"
	case errors.Is(err, history.ErrRefused):
		return "refused"
	case errors.Is(err, errOverflow):
		return "overflow"
	case errors.Is(err, history.ErrUnavailable):
		return "unavailable"
	default:
		return "abandoned"
	}
}
