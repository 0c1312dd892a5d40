package cluster

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"
)

// View is the live nodes of one role. It is immutable.
type View struct {
	Role    Role
	Version uint64 // derived from the IDs, incarnations and lanes in both lists; 0 for an empty view
	Active  []Node // own keys; sorted by ID
	Leaving []Node // alive, own nothing any more; sorted by ID
}

// newView takes the nodes that belong into a view of the role, in any order.
func newView(role Role, nodes []Node) *View {
	v := &View{Role: role}
	for _, n := range nodes {
		switch n.State {
		case Active:
			v.Active = append(v.Active, n)
		case Leaving:
			v.Leaving = append(v.Leaving, n)
		}
	}
	byID := func(a, b Node) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(v.Active, byID)
	slices.SortFunc(v.Leaving, byID)
	v.Version = version(v.Active, v.Leaving)
	return v
}

// version is part of the protocol between nodes, as Hash is: equal lists give equal
// versions on every node. Those who leave are in it, although they own nothing: a node that
// comes and soon leaves would otherwise bring back the version from before it came, and who
// is told that version could not tell the past from the future.
func version(active, leaving []Node) uint64 {
	if len(active)+len(leaving) == 0 {
		return 0
	}
	b := appendRefs(make([]byte, 0, 16*(len(active)+len(leaving)+1)), active)
	if len(leaving) > 0 {
		b = appendRefs(binary.BigEndian.AppendUint64(b, 0), leaving) // no node's ID is 0
	}
	return max(1, xxh3.Hash(b)) // 0 says empty
}

func appendRefs(b []byte, nodes []Node) []byte {
	for _, n := range nodes {
		b = binary.BigEndian.AppendUint64(b, n.ID)
		b = binary.BigEndian.AppendUint32(b, n.Inc)
		b = binary.BigEndian.AppendUint32(b, uint32(n.Lanes))
	}
	return b
}

// Owner is the index in Active of the node that owns the key with this hash, -1 if there is
// none. It is the node of the highest random weight (Thaler and Ravishankar, "Using
// Name-Based Mappings to Increase Hit Rates", 1998): when a node comes, keys move only to
// it, and when one goes, only from it. The weight depends on the node's ID, not on its
// incarnation, so a deposed node keeps its keys. O(len(Active)); allocates nothing.
func (v *View) Owner(hash uint64) int {
	owner, best := -1, uint64(0)
	for i := range v.Active {
		// Strictly greater: between equal weights the lower ID wins, for everyone.
		if w := mix(hash ^ mix(v.Active[i].ID)); owner < 0 || w > best {
			owner, best = i, w
		}
	}
	return owner
}

// Find gives the node with this ID if it is alive, Active or Leaving. The node is part of
// the view: not to be written to.
func (v *View) Find(id uint64) (*Node, bool) {
	byID := func(n Node, id uint64) int { return cmp.Compare(n.ID, id) }
	for _, list := range [...][]Node{v.Active, v.Leaving} {
		if i, ok := slices.BinarySearchFunc(list, id, byID); ok {
			return &list[i], true
		}
	}
	return nil, false
}

func (v *View) equal(w *View) bool {
	return slices.Equal(v.Active, w.Active) && slices.Equal(v.Leaving, w.Leaving)
}

// Views is the views of all roles at one moment. It is immutable. From one Views to the
// next, a role whose nodes are the same keeps its *View.
type Views struct {
	Gateways, Routers, Presences *View // never nil
}

// Of gives the view of a role; for anything that is no role, an empty one.
func (v *Views) Of(role Role) *View {
	switch role {
	case RoleGateway:
		return v.Gateways
	case RoleRouter:
		return v.Routers
	case RolePresence:
		return v.Presences
	}
	return &View{Role: role}
}

func emptyViews() *Views {
	return &Views{
		Gateways:  &View{Role: RoleGateway},
		Routers:   &View{Role: RoleRouter},
		Presences: &View{Role: RolePresence},
	}
}

// next gives the views for these nodes, and v itself if nothing differs.
func (v *Views) next(nodes map[Role][]Node) *Views {
	w := *v
	for _, view := range [...]**View{&w.Gateways, &w.Routers, &w.Presences} {
		if fresh := newView((*view).Role, nodes[(*view).Role]); !fresh.equal(*view) {
			*view = fresh
		}
	}
	if w == *v {
		return v
	}
	return &w
}
