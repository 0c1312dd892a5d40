//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// openStreams waits until every stream of storedRules is made: the first who use them meet the delay.
func (s *system) openStreams(ctx context.Context, log io.Writer) error {
	begin := time.Now()
	t, err := token("opener")
	if err != nil {
		return err
	}
	c, err := client.Dial(ctx, s.cluster.WS()[0], t, client.Options{})
	if err != nil {
		return err
	}
	defer c.Abort()
	const topics = 100 // more than there are streams, by far
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := range topics {
		for {
			_, err := c.Subscribe(ctx, fmt.Sprintf("stored.first.%d", i))
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("make streams: %w", err)
			}
		}
	}
	fmt.Fprintf(log, "streams made within %v\n", time.Since(begin).Round(time.Millisecond))
	return nil
}
