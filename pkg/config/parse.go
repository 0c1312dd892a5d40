package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// quote writes text for an error line, shortened.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return strconv.Quote(text)
}

// within narrows parse to the values from least to most.
func within[T cmp.Ordered](parse func(string) (T, error), least, most T, format func(T) string) func(string) (T, error) {
	return func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && (v < least || v > most) {
			err = fmt.Errorf("%s is not within %s–%s", text, format(least), format(most))
		}
		return v, err
	}
}

// zeroOr narrows parse to the zero value and those from least to most.
func zeroOr[T cmp.Ordered](parse func(string) (T, error), least, most T, format func(T) string) func(string) (T, error) {
	return func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && v != *new(T) && (v < least || v > most) {
			err = fmt.Errorf("%s is neither 0 nor within %s–%s", text, format(least), format(most))
		}
		return v, err
	}
}

func parseText(text string) (string, error) {
	if text == "" {
		return "", errors.New("must not be empty")
	}
	return text, nil
}

func parseSwitch(text string) (bool, error) {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s is not true or false", quote(text))
	}
	return v, nil
}

// parseNumber saturates, so that what is too long for an int is out of bounds
// like any other value.
func parseNumber(text string) (int, error) {
	v, err := strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is not a whole number", quote(text))
	}
	return v, nil
}

func parseDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration such as 30s", quote(text))
	}
	return v, nil
}

// formatDuration is d.String without zero parts at the end: 1h, not 1h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units are those of sizes, the largest first.
var units = []struct {
	name  string
	bytes int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// parseSize reads a number of bytes: 65536, 64KiB or 1MiB. It saturates.
func parseSize(text string) (int, error) {
	digits, factor := text, 1
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			digits, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	v, err := strconv.Atoi(digits)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && v > math.MaxInt/factor:
		return math.MaxInt, nil
	case err != nil || v < 0:
		return 0, fmt.Errorf("%s is not a size such as 65536 or 64KiB", quote(text))
	}
	return v * factor, nil
}

func formatSize(v int) string {
	for _, u := range units {
		if u.bytes > 1 && v >= u.bytes && v%u.bytes == 0 {
			return strconv.Itoa(v/u.bytes) + u.name
		}
	}
	return strconv.Itoa(v)
}

func parseOneOf(allowed []string) func(string) (string, error) {
	return func(text string) (string, error) {
		if !slices.Contains(allowed, text) {
			return "", fmt.Errorf("%s is not one of %s", quote(text), strings.Join(allowed, ", "))
		}
		return text, nil
	}
}
