package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/realtime-cluster/realtime/pkg/auth"
	"github.com/realtime-cluster/realtime/pkg/topic"
)

// minSecret is the least length of an HS256 secret in bytes: RFC 7518, 3.2, wants
// a key of the size of the hash output or larger.
const minSecret = 32

func parseSecret(text string) (auth.Secret, error) {
	if len(text) < minSecret {
		return "", fmt.Errorf("must be at least %d bytes, has %d", minSecret, len(text))
	}
	return auth.Secret(text), nil
}

// parsePublicKey returns the PEM text that text is or names. Which keys will do,
// pkg/auth knows.
func parsePublicKey(text string) (string, error) {
	if strings.Contains(text, "-----BEGIN") {
		return text, nil
	}
	file, err := os.ReadFile(text)
	if err != nil {
		return "", unreadable(text, err)
	}
	return string(file), nil
}

// parseReadableFile returns text, the name of a file that can be read.
func parseReadableFile(text string) (string, error) {
	file, err := os.Open(text)
	if err != nil {
		return "", unreadable(text, err)
	}
	return text, file.Close()
}

func unreadable(name string, err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("cannot read %s: %w", quote(name), err)
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func parseNodeName(text string) (string, error) {
	if !nodeName.MatchString(text) {
		return "", fmt.Errorf("%s is not 1–64 letters, digits, dots, dashes or underscores", quote(text))
	}
	return text, nil
}

func parseUser(text string) (string, error) {
	if auth.ValidateUser(text) != nil {
		return "", fmt.Errorf("%s is not a user of 1–%d bytes without control characters", quote(text), auth.MaxUser)
	}
	return text, nil
}

func parsePattern(text string) (string, error) {
	if err := topic.ValidatePattern(text); err != nil {
		return "", fmt.Errorf("%s: %w", quote(text), err)
	}
	return text, nil
}
