package document

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// maxFile is the length of a file at most, in bytes.
const maxFile = 1 << 20

// Name is how the file of a path is called in its mistakes.
func Name(file string) string {
	if strings.ContainsFunc(file, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(file)
	}
	return file
}

// Load reads a file, which may have 1 MiB. The error is one line that begins with its Name.
func Load(file string) ([]byte, error) {
	text, err := load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(file), err)
	}
	return text, nil
}

func load(file string) ([]byte, error) {
	// Not a pipe, for one: to open it would wait for whoever writes to it.
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err == nil && len(text) > maxFile {
			return nil, errors.New("is longer than 1MiB")
		}
		if err == nil {
			return text, nil
		}
	}
	if path := new(fs.PathError); errors.As(err, &path) {
		err = path.Err
	}
	return nil, fmt.Errorf("cannot be read: %w", err)
}
