package cluster

import (
	"slices"

	"go.uber.org/zap"
)

// logViews tells who came and went, in one line per role. While this node looks around that
// is for debugging only: what it has found is told in the line that says it has joined.
func (m *Member) logViews(old, new *Views, changes []Change) {
	self := m.members.Self()
	level := zap.InfoLevel
	if self.State == Joining {
		level = zap.DebugLevel
	}
	for _, c := range changes {
		if c.Node.ID != self.ID {
			continue
		}
		switch c.Why {
		case Joined:
			m.cfg.Log.Info("joined the cluster",
				zap.Int("gateways", len(new.Gateways.Active)),
				zap.Int("routers", len(new.Routers.Active)),
				zap.Int("presences", len(new.Presences.Active)))
		case Left:
			m.cfg.Log.Info("leaving the cluster")
		}
	}
	for _, r := range Roles {
		v := new.Of(r)
		if v == old.Of(r) {
			continue
		}
		if who := v.events(self.ID, changes); len(who) > 0 {
			m.cfg.Log.Log(level, "view changed", append([]zap.Field{
				zap.String("role", string(r)),
				zap.String("view", IDString(v.Version)),
				zap.Int("active", len(v.Active)),
			}, who...)...)
		}
	}
}

// events lists who changed in the view and how, but for the node self.
func (v *View) events(self uint64, changes []Change) (fields []zap.Field) {
	names := []string{Joined.String(), leaving, Left.String(), Died.String(), Reincarnated.String(), Changed.String()}
	who := make([][]string, len(names))
	for _, c := range changes {
		if c.Node.Role == v.Role && c.Node.ID != self {
			i := slices.Index(names, v.event(c))
			name := c.Node.Ref.String() + " " + c.Node.Name
			if c.Why == DiedSuspected {
				name += " (suspected)"
			}
			who[i] = append(who[i], name)
		}
	}
	for i, name := range names {
		if who[i] != nil {
			fields = append(fields, zap.Strings(name, who[i]))
		}
	}
	return fields
}

// leaving is the event of a node that owns nothing any more; when it is gone, it has left.
const leaving = "leaving"

// event is how the log names a change.
func (v *View) event(c Change) string {
	if _, still := v.Find(c.Node.ID); still && c.Why == Left {
		return leaving
	}
	if c.Why == DiedSuspected {
		return Died.String()
	}
	return c.Why.String()
}

// String gives the reason as the log names it.
func (w Why) String() string {
	return [...]string{
		Joined: "joined", Left: "left", Died: "died", DiedSuspected: "died suspected",
		Reincarnated: "reincarnated", Changed: "changed",
	}[w]
}
