package disk

import "slices"

// change is what happened to names and is not safe yet. Its parts become safe together.
type change []part

// part says that a name now stands for a node, or, with nil, for none.
type part struct {
	place
	node *Node
}

// apply makes a change safe.
func (c change) apply() {
	for _, p := range c {
		if old := p.dir.safeNames[p.name]; old != nil {
			old.safeHome = place{}
		}
		if p.node == nil {
			delete(p.dir.safeNames, p.name)
			continue
		}
		p.dir.safeNames[p.name] = p.node
		p.node.safeHome = p.place
	}
}

// commit makes those changes safe that wanted names, in their order, and what must have been before them.
func (d *Disk) commit(wanted func(part) bool) {
	places, nodes := map[place]bool{}, map[*Node]bool{}
	takes := func(p part) bool {
		return wanted(p) || places[p.place] || p.node != nil && nodes[p.node]
	}
	var taken []change
	left := d.journal[:0:0]
	for _, c := range slices.Backward(d.journal) {
		if !slices.ContainsFunc(c, takes) {
			left = append(left, c)
			continue
		}
		taken = append(taken, c)
		for _, p := range c {
			places[p.place] = true
			nodes[p.dir] = true
			if p.node != nil {
				nodes[p.node] = true
			}
		}
	}
	slices.Reverse(left)
	d.journal = left
	for _, c := range slices.Backward(taken) {
		c.apply()
	}
}

// commitNode makes safe that n exists and, of a directory, what is in it.
func (d *Disk) commitNode(n *Node) {
	if len(d.journal) == 0 {
		return
	}
	above := map[*Node]bool{}
	for at := n; at != nil && !above[at]; at = at.home.dir {
		above[at] = true
	}
	d.commit(func(p part) bool { return p.dir == n || p.node != nil && above[p.node] })
}
