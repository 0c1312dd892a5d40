package owner

import "slices"

// courseViews is how many views of a course are remembered.
const courseViews = 16

// course is the views that a gateway's loop has said it goes by (Synced), or another lane (Released), one after
// the other. What it sends is by the view that it said last, or is about to say, so that the
// place in the course tells what came before what. The version alone would not: a view may come
// back, or never come here.
type course struct {
	views []uint64 // the last of them
	n     int      // how many there were in all
	told  bool     // something was told by the next one, which is yet to be said
}

func (c *course) say(view uint64) {
	if len(c.views) == courseViews {
		c.views = slices.Delete(c.views, 0, 1)
	}
	c.views = append(c.views, view)
	c.n++
	c.told = false
}

// at is the view that was said last, 0 before there was one.
func (c *course) at() uint64 {
	if c.n == 0 {
		return 0
	}
	return c.views[len(c.views)-1]
}

// place is the place, counted from 1, of what comes now and was sent by a view: the last one
// said, or the next.
func (c *course) place(view uint64) int {
	if c.n > 0 && view == c.at() {
		return c.n
	}
	return c.n + 1
}

// forgotten is the place of the last view that is not remembered.
func (c *course) forgotten() int { return c.n - len(c.views) }

// last is the place of the last view for which is is true; 0: there is none.
func (c *course) last(is func(view uint64) bool) int {
	for i := len(c.views) - 1; i >= 0; i-- {
		if is(c.views[i]) {
			return c.forgotten() + i + 1
		}
	}
	return 0
}
