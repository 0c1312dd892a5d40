package protocol

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// These read the raw text of one member, known to be valid JSON or empty. The errors are
// the field's own: missing for none, kind for one of the wrong type or value.

// text reads a string that has to be there.
func text(raw string, missing, kind error) (string, error) {
	if isNull(raw) {
		return "", missing
	}
	return optionalText(raw, kind)
}

// optionalText reads a string, which is empty where there is none.
func optionalText(raw string, kind error) (string, error) {
	if isNull(raw) {
		return "", nil
	}
	v := gjson.Parse(raw)
	if v.Type != gjson.String {
		return "", kind
	}
	return v.Str, nil
}

// texts reads an array of at most most strings; none, or null, is an empty one.
func texts(raw string, most int, kind, many error) ([]string, error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] != '[' {
		return nil, kind
	}
	var list []string
	var bad error
	gjson.Parse(raw).ForEach(func(_, v gjson.Result) bool {
		switch {
		case v.Type != gjson.String:
			bad = kind
		case len(list) == most:
			bad = many
		}
		list = append(list, v.Str)
		return bad == nil
	})
	return list, bad
}

// boolean reads a boolean, which is otherwise where there is none.
func boolean(raw string, otherwise bool, kind error) (bool, error) {
	switch {
	case isNull(raw):
		return otherwise, nil
	case raw == "true":
		return true, nil
	case raw == "false":
		return false, nil
	}
	return false, kind
}

// whole reads a number from 1 to most without a fraction, however it is written (10, 1e1,
// 10.0), which is otherwise where there is none.
func whole(raw string, most, otherwise int, kind error) (int, error) {
	if isNull(raw) {
		return otherwise, nil
	}
	if !isNumber(raw) {
		return 0, kind
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f < 1 || f > float64(most) || f != float64(int(f)) {
		return 0, kind
	}
	return int(f), nil
}

// object reads a raw object of at most most bytes, which is empty where there is none.
func object(raw string, most int, kind, long error) (string, error) {
	switch {
	case isNull(raw):
		return "", nil
	case raw[0] != '{':
		return "", kind
	case len(raw) > most:
		return "", long
	}
	return raw, nil
}
