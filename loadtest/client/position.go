package client

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// Position is a place in the history of a topic or room: behind the message at Offset.
type Position struct {
	Offset int64 // 0: before the first
	Epoch  string
}

// TopicPosition is what the server says of a topic with history.
type TopicPosition struct {
	Position       // of the newest message at that time
	Recovered bool // all behind the position that was asked for will come
}

// Gap is a Status history_gap: what did not arrive up to Position will not.
type Gap struct {
	Topic, Room string // one of them
	Position
}

func parsePosition(r gjson.Result) Position {
	return Position{Offset: r.Get("offset").Int(), Epoch: r.Get("epoch").Str}
}

// parsePositions reads an object of positions by topic or room; nil where there is none.
func parsePositions(r gjson.Result) map[string]TopicPosition {
	if !r.IsObject() {
		return nil
	}
	m := make(map[string]TopicPosition)
	r.ForEach(func(k, v gjson.Result) bool {
		m[k.Str] = TopicPosition{parsePosition(v), v.Get("recovered").Bool()}
		return true
	})
	return m
}

func appendPosition(b []byte, p Position) []byte {
	b = append(b, `{"offset":`...)
	b = strconv.AppendInt(b, p.Offset, 10)
	b = append(b, `,"epoch":`...)
	return append(gjson.AppendJSONString(b, p.Epoch), '}')
}

// parseGap reads the data of a Status; ok says that it tells of a gap.
func parseGap(data string) (g Gap, ok bool) {
	d := gjson.Parse(data)
	if d.Get("status").Str != "history_gap" {
		return g, false
	}
	d = d.Get("details")
	return Gap{d.Get("topic").Str, d.Get("room").Str, parsePosition(d)}, true
}
