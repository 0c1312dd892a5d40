package loadtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-cluster/realtime/loadtest/client"
)

// subscriber reports what arrives on one connection.
type subscriber struct {
	index int // static
	wild  bool
	load  *Load
	rec   *recorder
	conn  *client.Client
}

// subscribe asks for the subscriber's topics and tells the recorder once the
// reply is there.
func (s *subscriber) subscribe(ctx context.Context) error {
	patterns, topics := s.interest()
	got, err := s.conn.Subscribe(ctx, patterns...)
	if err != nil {
		return err
	}
	if got.Rejected != "" {
		return fmt.Errorf("subscriber %d: rejected: %s", s.index, got.Rejected)
	}
	s.rec.joined(s.index, topics)
	return nil
}

// interest is what the subscriber asks for and the topics this stands for.
func (s *subscriber) interest() (patterns []string, topics []int) {
	for t := range s.load.Topics {
		switch {
		case s.wild:
			topics = append(topics, t)
		case (t+s.index)%3 != 0 || s.load.Topics < 3:
			topics = append(topics, t)
			patterns = append(patterns, s.load.topic(t))
		}
	}
	if s.wild {
		// Each message matches two or three of these and must come once.
		patterns = []string{s.load.Prefix + ".*", s.load.Prefix + ".>", s.load.topic(s.index % s.load.Topics)}
	}
	return patterns, topics
}

// join subscribes at the given time of the run. While parts of the system are
// away it tries again.
func (s *subscriber) join(ctx context.Context, at time.Duration) error {
	if !sleep(ctx, at-s.rec.now()) {
		return nil
	}
	for {
		// What was asked for takes effect, whether or not anybody waits for the answer.
		err := s.subscribe(context.WithoutCancel(ctx))
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case client.Code(err) != 503:
			return fmt.Errorf("joiner %d: %w", s.index, err)
		case !sleep(ctx, 200*time.Millisecond):
			return nil
		}
	}
}

// deliver runs on the connection's read goroutine.
func (s *subscriber) deliver(d client.Delivery) {
	topic := -1
	if number, ok := strings.CutPrefix(d.Topic, s.load.Prefix+"."); ok {
		if t, err := strconv.Atoi(number); err == nil && t >= 0 && t < s.load.Topics {
			topic = t
		}
	}
	m, ok := readMark(d.Payload, s.load.Payload)
	if !ok || topic < 0 {
		s.rec.altered(s.index, topic, d.Topic+" "+d.Payload)
		return
	}
	s.rec.delivered(s.index, topic, m)
}

func (s *subscriber) other(m client.Message) {
	s.rec.other(fmt.Sprintf("subscriber %d: %s %s %.200s", s.index, m.Type, m.ID, m.Data))
}

// sleep waits for d and reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
