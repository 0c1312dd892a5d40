package client

import "github.com/tidwall/gjson"

// payloadTo is the data of a message to somebody or something: its name in
// field, and payload (raw JSON).
func payloadTo(field, name, payload string) string {
	b := append([]byte(nil), `{"`...)
	b = append(b, field...)
	b = append(b, `":`...)
	b = gjson.AppendJSONString(b, name)
	b = append(b, `,"payload":`...)
	b = append(b, payload...)
	return string(append(b, '}'))
}

// list is the data of a message that lists names under field.
func list(field string, names []string) string {
	b := append([]byte(nil), `{"`...)
	b = append(b, field...)
	b = append(b, `":[`...)
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = gjson.AppendJSONString(b, n)
	}
	return string(append(b, `]}`...))
}

func strs(r gjson.Result) []string {
	var out []string
	for _, e := range r.Array() {
		out = append(out, e.Str)
	}
	return out
}
