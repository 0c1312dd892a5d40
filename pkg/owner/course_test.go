package owner

import "testing"

// A course tells the places of views, of those that come back, and of what it has forgotten.
func TestCourse(t *testing.T) {
	var c course
	is := func(want uint64) func(uint64) bool { return func(view uint64) bool { return view == want } }
	if c.at() != 0 || c.place(7) != 1 || c.last(is(7)) != 0 || c.forgotten() != 0 {
		t.Fatal("a course that has not begun")
	}
	for _, view := range []uint64{7, 8, 7, 9} {
		c.say(view)
	}
	if c.at() != 9 || c.place(9) != 4 || c.place(8) != 5 {
		t.Fatalf("at %d, places %d and %d", c.at(), c.place(9), c.place(8))
	}
	if c.last(is(7)) != 3 || c.last(is(8)) != 2 || c.last(is(6)) != 0 {
		t.Fatal("the last place of a view")
	}
	for view := range uint64(courseViews) {
		c.say(100 + view)
	}
	if c.last(is(9)) != 0 || c.forgotten() != 4 || c.last(is(100)) != 5 || c.place(8) != 5+courseViews {
		t.Fatalf("forgotten %d, first remembered at %d", c.forgotten(), c.last(is(100)))
	}
	c.told = true
	if c.say(1); c.told {
		t.Fatal("what was told by a view is said with it")
	}
}
