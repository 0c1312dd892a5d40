package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// answer is what a page answers: a body, or why there is none.
type answer struct {
	code    int
	body    []byte
	message string        // of an error
	limit   string        // that was met; empty: none
	retry   time.Duration // when to try again; 0: not to
}

func refuse(code int, message string) answer { return answer{code: code, message: message} }

// away refuses what can be had later.
func away(message string) answer {
	return answer{code: http.StatusServiceUnavailable, message: message, retry: retryLater}
}

func granted(body any) answer {
	text, _ := json.Marshal(body) // strings and numbers: it cannot fail
	return answer{code: http.StatusOK, body: append(text, '\n')}
}

// details are those of an error.
type details struct {
	Limit      string `json:"limit,omitempty"`
	RetryAfter int64  `json:"retry_after_ms,omitempty"`
}

func (a answer) write(w http.ResponseWriter) {
	if a.code == http.StatusNoContent {
		w.WriteHeader(a.code)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if a.code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if a.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(a.retry), 10))
	}
	if a.body == nil {
		body := struct {
			Code    int      `json:"code"`
			Message string   `json:"message"`
			Details *details `json:"details,omitempty"`
		}{Code: a.code, Message: a.message}
		if d := (details{a.limit, a.retry.Milliseconds()}); d != (details{}) {
			body.Details = &d
		}
		a.body = granted(body).body
	}
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // fails when the client is gone
}

// receive waits for a request's body, before the request takes a place among those under way: one that comes slowly,
// or never, holds up nobody. nil: it is there, or more of it than there may be.
func receive(w http.ResponseWriter, r *http.Request) *answer {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // net/http's connections have one
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMost+1))
	if err != nil {
		no := refuse(http.StatusRequestTimeout, "the body did not come")
		return &no
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// read reads a request's body, one JSON object of known members; nil: it is read.
func read(r *http.Request, into any) *answer {
	// It also makes browsers ask first: a form of another page cannot send this type.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		no := refuse(http.StatusUnsupportedMediaType, "Content-Type: not application/json")
		return &no
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, bodyMost))
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		no := refuse(http.StatusRequestEntityTooLarge, "body over 16 KiB")
		return &no
	}
	if err == nil {
		err = decode(body, into)
	}
	if err != nil {
		// Its text could quote the token.
		no := refuse(http.StatusBadRequest, "body: not a JSON object of the members that are known here")
		return &no
	}
	return nil
}

var errTrailing = errors.New("more than one value")

func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}
