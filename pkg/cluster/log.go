package cluster

import (
	"go.uber.org/zap"
)

// logViews tells at info, in one line per role that changed, what its view is now, who came
// and went, and why.
func logViews(log *zap.Logger, old, new *Views, changes []Change) {
	for _, r := range Roles {
		v := new.Of(r)
		if v == old.Of(r) {
			continue
		}
		fields := []zap.Field{
			zap.String("role", string(r)),
			zap.String("version", IDString(v.Version)),
			zap.Int("active", len(v.Active)),
			zap.Int("leaving", len(v.Leaving)),
		}
		for why := Joined; why <= Changed; why++ {
			var who []string
			for _, c := range changes {
				if c.Why == why && c.Node.Role == r {
					who = append(who, c.Node.Ref.String()+" "+c.Node.Name)
				}
			}
			if who != nil {
				fields = append(fields, zap.Strings(why.String(), who))
			}
		}
		log.Info("view changed", fields...)
	}
}

// String gives the reason as the log names it.
func (w Why) String() string {
	return [...]string{
		Joined: "joined", Left: "left", Died: "died", Reincarnated: "reincarnated", Changed: "changed",
	}[w]
}
