package client

import "github.com/tidwall/gjson"

// metadata is a message's metadata.
type metadata struct {
	messageID string
	sentAt    int64
	offset    int64
	epoch     string
	queued    bool
	set       string
}

func parseMetadata(v gjson.Result) (m metadata) {
	v.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "message_id":
			m.messageID = v.Str
		case "sent_at":
			m.sentAt = v.Int()
		case "offset":
			m.offset = v.Int()
		case "epoch":
			m.epoch = v.Str
		case "queued":
			m.queued = v.Bool()
		default:
			if m.set != "" {
				m.set += ","
			}
			m.set += k.Raw + ":" + v.Raw
		}
		return true
	})
	return m
}
