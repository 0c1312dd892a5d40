package protocol

import (
	"strings"

	"github.com/tidwall/gjson"
)

// ReservedMetadata are the members of a message's metadata that are the server's own.
var ReservedMetadata = []string{"message_id", "sent_at", "offset", "epoch", "queued"}

// SetMetadata returns the members of a message's metadata, a JSON object, that are not the server's own: what rules
// have set, as raw JSON members.
func SetMetadata(metadata string) string {
	var b strings.Builder
	gjson.Parse(metadata).ForEach(func(name, value gjson.Result) bool {
		for _, own := range ReservedMetadata {
			if name.Str == own {
				return true
			}
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(name.Raw)
		b.WriteByte(':')
		b.WriteString(value.Raw)
		return true
	})
	return b.String()
}
