package protocol

import (
	"errors"
	"math"
	"strconv"
)

// Bounds of a position that a client gives.
const (
	MaxOffset = 1 << 53 // the greatest whole number that every reader of JSON gets right
	MaxEpoch  = 64      // bytes of an epoch
)

// Errors of a position, worded for the client; what names the position stands before them.
var (
	ErrPositionType  = errors.New("not an object")
	ErrOffsetMissing = errors.New("offset: missing")
	ErrOffset        = errors.New("offset: not a whole number from 0 to 9007199254740992")
	ErrEpochMissing  = errors.New("epoch: missing")
	ErrEpoch         = errors.New("epoch: not a string of at most 64 bytes")
)

// Position is a place in the history of a topic or room, as clients see it: behind the publication
// at Offset. It holds for one Epoch. One that was read aliases the frame.
type Position struct {
	Offset uint64 `json:"offset"` // 0: before the first
	Epoch  string `json:"epoch"`
}

// TopicPosition is what the answer to a Subscribe, or a welcome, says of a topic with history.
type TopicPosition struct {
	Offset    uint64 `json:"offset"` // of the newest publication at that time
	Epoch     string `json:"epoch"`
	Recovered bool   `json:"recovered"` // all behind the position that the client had was sent, or will be; false where it had none
}

// position reads a position, known to be neither empty nor null.
func position(raw string) (p Position, err error) {
	if raw[0] != '{' {
		return p, ErrPositionType
	}
	var offset, epoch string
	for key, value := range members(raw) {
		switch key {
		case "offset":
			offset = value
		case "epoch":
			epoch = value
		}
	}
	if p.Offset, err = parseOffset(offset); err != nil {
		return Position{}, err
	}
	p.Epoch, err = text(epoch, ErrEpochMissing, ErrEpoch)
	if err == nil && len(p.Epoch) > MaxEpoch {
		err = ErrEpoch
	}
	return p, err
}

// parseOffset reads an offset, however it is written (10, 1e1, 10.0).
func parseOffset(raw string) (uint64, error) {
	switch {
	case isNull(raw):
		return 0, ErrOffsetMissing
	case !isNumber(raw):
		return 0, ErrOffset
	}
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil || f < 0 || f > MaxOffset || f != math.Trunc(f) {
			return 0, ErrOffset
		}
		n = uint64(f)
	}
	if n > MaxOffset {
		return 0, ErrOffset
	}
	return n, nil
}

// appendPosition appends the members of an object that are a position.
func appendPosition(b []byte, p Position) []byte {
	b = append(b, `"offset":`...)
	b = strconv.AppendUint(b, p.Offset, 10)
	b = append(b, `,"epoch":`...)
	return appendString(b, p.Epoch)
}
