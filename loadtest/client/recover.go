package client

import (
	"fmt"

	"github.com/tidwall/gjson"
)

// Recover subscribes to topics and asks for what came behind the positions from, which may be nil or name only some
// of the topics. done is called once, on the read goroutine: what it is told comes ahead of all
// messages of the topics that arrive behind the reply. When Recover returns an error, done is not called.
func (c *Client) Recover(topics []string, from map[string]Position, done func(Subscription, error)) error {
	data := list("topics", topics)
	if len(from) > 0 {
		b := append([]byte(data[:len(data)-1]), `,"recover":{`...)
		comma := false
		for _, t := range topics {
			p, ok := from[t]
			if !ok {
				continue
			}
			if comma {
				b = append(b, ',')
			}
			comma = true
			b = appendPosition(append(gjson.AppendJSONString(b, t), ':'), p)
		}
		data = string(append(b, `}}`...))
	}
	_, err := c.request("Subscribe", data, "", func(m Message, err error) {
		if err == nil && m.Type == "Error" {
			err = errorOf(m.Data)
		}
		if err != nil {
			done(Subscription{}, err)
			return
		}
		d := gjson.Parse(m.Data)
		if s := d.Get("status").Str; m.Type != "Status" || s != "subscribed" {
			done(Subscription{}, fmt.Errorf("Subscribe: answered by %s %q", m.Type, s))
			return
		}
		done(parseSubscription(d.Get("details")), nil)
	})
	return err
}
