package owner

import "slices"

// courseViews is how many views of a course are remembered.
const courseViews = 16

// course is the views that a gateway's loop has said it goes by, one after the other. What
// the loop sends is by the view that it said last, so that the place in the course
// tells what came before what, where the version alone would not: a view may come back, or
// never come here.
type course struct {
	views []uint64 // the last of them
	n     int      // how many there were in all
}

func (c *course) add(view uint64) {
	if len(c.views) == courseViews {
		c.views = slices.Delete(c.views, 0, 1)
	}
	c.views = append(c.views, view)
	c.n++
}

// at is the view that the loop goes by, 0 before it has said so.
func (c *course) at() uint64 {
	if c.n == 0 {
		return 0
	}
	return c.views[len(c.views)-1]
}

// view is the view at a place that last has returned.
func (c *course) view(place int) uint64 { return c.views[len(c.views)-1-(c.n-place)] }

// last is the place, counted from 1, of the last view for which is is true; 0: there is none.
func (c *course) last(is func(view uint64) bool) int {
	for i := len(c.views) - 1; i >= 0; i-- {
		if is(c.views[i]) {
			return c.n - len(c.views) + i + 1
		}
	}
	return 0
}
