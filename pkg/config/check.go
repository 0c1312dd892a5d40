package config

import (
	"errors"
	"fmt"
	"time"
)

// DrainMargin is how much shorter DRAIN_PERIOD has to be than SHUTDOWN_TIMEOUT: what comes behind the last goodbye needs it.
const DrainMargin = 5 * time.Second

// check holds the settings against each other; the bounds of each alone are in
// the table.
func (c *Config) check() error {
	switch c.Command {
	case CommandAll, CommandGateway:
		if err := c.Gateway.check(); err != nil {
			return err
		}
		if d := c.Gateway.DrainPeriod; d > 0 && d+DrainMargin > c.ShutdownTimeout {
			return fmt.Errorf("DRAIN_PERIOD: %s is not at least %s shorter than SHUTDOWN_TIMEOUT, %s",
				formatDuration(d), formatDuration(DrainMargin), formatDuration(c.ShutdownTimeout))
		}
		if a := c.Auth; a.Secret == "" && a.PublicKey == "" && a.JWKSURL == "" && !c.Dev {
			return c.missingKey()
		}
	case CommandDrain:
		if c.Control.Node == "" {
			return errors.New("-node: required, such as -node gateway-0; see realtime info")
		}
	case CommandDisconnect:
		if c.User == "" {
			return errors.New("-user: required, such as -user alice")
		}
	case CommandToken:
		if c.Auth.Secret == "" {
			return errors.New("JWT_SECRET: required, the token is signed with it; at least 32 bytes")
		}
		if c.User == "" {
			return errors.New("-user: required, such as -user alice")
		}
		if c.Token.Refresh && c.Auth.RefreshTTL < c.Token.TTL {
			return fmt.Errorf("REFRESH_TOKEN_TTL: %s is shorter than -ttl, %s", formatDuration(c.Auth.RefreshTTL), formatDuration(c.Token.TTL))
		}
	}
	return nil
}

func (c *Config) missingKey() error {
	hint := ""
	if c.Command == CommandAll {
		hint = "; to try things out, start with -dev"
	}
	return fmt.Errorf("JWT_SECRET: required, at least 32 bytes, or JWT_PUBLIC_KEY or JWT_JWKS_URL instead%s", hint)
}

func (g *Gateway) check() error {
	if g.ClientTimeout <= g.HeartbeatInterval {
		return fmt.Errorf("CLIENT_TIMEOUT: %s is not longer than HEARTBEAT_INTERVAL, %s",
			formatDuration(g.ClientTimeout), formatDuration(g.HeartbeatInterval))
	}
	if g.OutboxSize < 2*g.MaxFrameSize {
		return fmt.Errorf("OUTBOX_SIZE: %s is less than twice MAX_FRAME_SIZE, %s",
			formatSize(g.OutboxSize), formatSize(g.MaxFrameSize))
	}
	return nil
}
