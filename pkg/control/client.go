package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/realtime-cluster/realtime/pkg/wire"
)

const (
	// askTime is how long a process may take to answer.
	askTime = 5 * time.Second

	// silence is after how long without another answer all are taken to be in.
	silence = 500 * time.Millisecond
)

var (
	// ErrNobody is returned where no process listens.
	ErrNobody = errors.New("no realtime process is connected to this NATS")

	// ErrAway is returned while NATS cannot be reached.
	ErrAway = errors.New("the connection to NATS is lost")
)

// Client asks the processes of a cluster.
type Client struct {
	conn *nats.Conn
	by   string
}

// NewClient returns a Client that names by in the logs of those whom it asks.
func NewClient(conn *nats.Conn, by string) *Client { return &Client{conn, by} }

// Reports asks every process how it is, and returns what those say who answer in time, by role, node and ID.
func (c *Client) Reports(ctx context.Context) ([]Report, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	inbox := c.conn.NewRespInbox()
	sub, err := c.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	ask, _ := json.Marshal(request{Action: actionReport, By: c.by})
	if err := c.conn.PublishRequest(wire.ControlAll, inbox, ask); err != nil {
		_, err = readReply(nil, err)
		return nil, err
	}
	var reports []Report
	for {
		wait, done := ctx, context.CancelFunc(func() {})
		if len(reports) > 0 {
			wait, done = context.WithTimeout(ctx, silence)
		}
		m, err := sub.NextMsgWithContext(wait)
		done()
		if err != nil && errors.Is(err, context.DeadlineExceeded) && len(reports) > 0 {
			break
		}
		r, err := readReply(m, err)
		if err != nil {
			return nil, err
		}
		if r.Report != nil {
			reports = append(reports, *r.Report)
		}
	}
	slices.SortFunc(reports, func(a, b Report) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID))
	})
	return reports, nil
}

// Report asks the process with this ID how it is; ErrNobody: it is gone.
func (c *Client) Report(ctx context.Context, id string) (*Report, error) {
	r, err := c.ask(ctx, wire.Control(id), request{Action: actionReport})
	if err != nil {
		return nil, err
	}
	if r.Report == nil {
		return nil, errors.New("the answer holds no report")
	}
	return r.Report, nil
}

// Drain tells the process with this ID to stop in good order, as SIGTERM does. It does not wait for the end.
func (c *Client) Drain(ctx context.Context, id string) error {
	_, err := c.ask(ctx, wire.Control(id), request{Action: actionDrain})
	return err
}

// Disconnect ends all connections of a user.
func (c *Client) Disconnect(ctx context.Context, user string) error {
	_, err := c.ask(ctx, wire.ControlGateway, request{Action: actionDisconnect, User: user})
	return err
}

func (c *Client) ask(ctx context.Context, subject string, r request) (*reply, error) {
	r.By = c.by
	ask, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return readReply(c.conn.RequestWithContext(ctx, subject, ask))
}

// readReply reads an answer, of which an error may be one.
func readReply(m *nats.Msg, err error) (*reply, error) {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, ErrNobody
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil, ErrAway
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no answer within %s", askTime)
	case err != nil:
		return nil, err
	case len(m.Data) == 0 && m.Header.Get("Status") == "503":
		return nil, ErrNobody
	}
	r := new(reply)
	if err := json.Unmarshal(m.Data, r); err != nil {
		return nil, fmt.Errorf("the answer is not one: %w", err)
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	return r, nil
}
