package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// httpClient keeps no idle connections: a killed process leaves none behind.
var httpClient = &http.Client{
	Timeout:   5 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// get returns the body of a 200 answer.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return nil, err // names method and URL itself
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("get %s: %w", url, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("get %s: %s: %.500s", url, resp.Status, body)
	}
	return body, nil
}

// URL is the base of the process's HTTP endpoints, without a trailing slash.
func (p *Process) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.Port) }

// WS is the URL to which clients connect.
func (p *Process) WS() string { return fmt.Sprintf("ws://127.0.0.1:%d/ws", p.Port) }

// Get returns the body of path when the answer is 200.
func (p *Process) Get(ctx context.Context, path string) ([]byte, error) {
	return get(ctx, p.URL()+path)
}
