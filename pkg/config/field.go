package config

import (
	"strconv"
	"strings"
	"time"
)

// field ties a setting to its place in Config. set reads text into it; its
// error tells what is wrong with the text, without the setting's name. text
// writes the value as set would read it, without credentials.
type field struct {
	set  func(c *Config, text string) error
	text func(c *Config) string
}

// bind makes a field of the place at, read by parse and written by format.
func bind[T any](at func(*Config) *T, parse func(string) (T, error), format func(T) string) field {
	return field{
		set: func(c *Config, text string) error {
			v, err := parse(text)
			if err == nil {
				*at(c) = v
			}
			return err
		},
		text: func(c *Config) string { return format(*at(c)) },
	}
}

func plain(s string) string { return s }

func text(at func(*Config) *string) field { return bind(at, parseText, plain) }

func toggle(at func(*Config) *bool) field { return bind(at, parseSwitch, strconv.FormatBool) }

func number(least, most int, at func(*Config) *int) field {
	return bind(at, within(parseNumber, least, most, strconv.Itoa), strconv.Itoa)
}

func duration(least, most time.Duration, at func(*Config) *time.Duration) field {
	return bind(at, within(parseDuration, least, most, formatDuration), formatDuration)
}

func zeroOrDuration(least, most time.Duration, at func(*Config) *time.Duration) field {
	return bind(at, zeroOr(parseDuration, least, most, formatDuration), formatDuration)
}

func size(least, most int, at func(*Config) *int) field {
	return bind(at, within(parseSize, least, most, formatSize), formatSize)
}

func oneOf(at func(*Config) *string, allowed ...string) field {
	return bind(at, parseOneOf(allowed), plain)
}

// list is a field of comma-separated items.
func list[S ~[]E, E any](at func(*Config) *S, parse func(string) (E, error), format func(E) string) field {
	return bind(at,
		func(text string) (S, error) {
			var items S
			for item := range strings.SplitSeq(text, ",") {
				v, err := parse(strings.TrimSpace(item))
				if err != nil {
					return nil, err
				}
				items = append(items, v)
			}
			return items, nil
		},
		func(items S) string {
			texts := make([]string, len(items))
			for i, item := range items {
				texts[i] = format(item)
			}
			return strings.Join(texts, ",")
		})
}
