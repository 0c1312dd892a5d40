package cluster

import "time"

// Members is what one node knows of all nodes: the logic of this package, without clock or
// I/O. Inputs are its methods, each with the time it happens at; outputs are the Effects
// they return, for the caller to carry out. Not safe for concurrent use; time must not go
// back.
type Members struct {
	// Static.
	interval     time.Duration // between our beats
	deadAfter    time.Duration
	suspectAfter time.Duration

	self  Node
	peers map[uint64]*peer
	tombs tombs
	views *Views

	lastTick  time.Time // zero before the first Tick
	lastBeat  time.Time // our last one
	lastExtra time.Time // our last one in answer to somebody
	linkDown  time.Time // since when; zero while it is up
	lastEcho  time.Time // when one of our own beats came back; zero before the first

	look    look
	owes    bool // somebody waits for a beat of ours
	say     bool // we have something to say at once
	ask     bool // ... and it is a hello
	doubted bool // somebody may suspect us: the beat after this one is due early
	dirty   bool // the views may have to change
	demand  bool // somebody of our role demands something else

	out Effects // of the input being handled
}

type peer struct {
	Node
	heard     time.Time // silence counts from here
	suspected time.Time // since when, in this silence; zero: it is not
	accused   bool      // by us: our beats tell it
	demand    float64
}

// Effects is what the caller of a method of Members has to do, in this order. Zero fields
// ask for nothing.
type Effects struct {
	Deposed   bool     // we go on under a new incarnation: see Self
	Views     *Views   // the new views
	Changes   []Change // what led to them; without Views, of nodes that were in none
	Suspected []Node   // came under suspicion
	Ready     bool     // the first look around is over
	Demands   bool     // what others of our role demand has changed
	Beat      *Beat    // to be published now
}

// Change is one node's coming, going or becoming different.
type Change struct {
	Node Node
	Why  Why
}

// Why is the reason of a Change.
type Why uint8

// The reasons.
const (
	Joined        Why = iota // became Active
	Left                     // became Leaving, or gone on its own word
	Died                     // not heard for DeadAfter
	DiedSuspected            // suspected, and not heard for SuspectAfter
	Reincarnated             // had been declared dead by somebody, and goes on
	Changed                  // describes itself differently
)

func newMembers(self Node, interval, deadAfter, suspectAfter time.Duration) *Members {
	return &Members{
		interval: interval, deadAfter: deadAfter, suspectAfter: suspectAfter,
		self: self, peers: map[uint64]*peer{}, tombs: tombs{}, views: emptyViews(),
	}
}

// tickEvery is how often Tick wants to be called.
func (m *Members) tickEvery() time.Duration { return m.interval / 4 }

// deafAfter is how long our own beats may stay away before we mistrust our ears. It ends
// before anyone's DeadAfter can, if they and we fell silent with the same beat.
func (m *Members) deafAfter() time.Duration { return (m.deadAfter - m.interval) * 3 / 4 }

// Self is this node as it is now.
func (m *Members) Self() Node { return m.self }

// Tick lets time pass. The first one starts the look around; after that it is due every
// tickEvery, and its coming late says that this process was stopped.
func (m *Members) Tick(now time.Time) Effects {
	if m.lastTick.IsZero() {
		m.lastTick = now
		m.hello()
		m.look.begin(now)
		return m.finish(now)
	}
	m.wake(now)
	m.lastTick = now
	if m.listening(now) {
		m.reap(now)
	}
	m.tombs.expire(now)
	if m.linkDown.IsZero() {
		m.lookAround(now)
	}
	due := m.interval
	if m.doubted {
		due /= 2
	}
	// Half a tick early rather than most of one late.
	if now.Sub(m.lastBeat) >= due-m.tickEvery()/2 {
		m.say, m.doubted = true, false
	}
	return m.finish(now)
}

// Beat takes a heartbeat that has been received, our own among them.
func (m *Members) Beat(now time.Time, b Beat) Effects {
	m.wake(now)
	for _, r := range b.Dead {
		if r.ID == m.self.ID && r.Inc >= m.self.Inc {
			m.depose(r.Inc + 1)
		}
	}
	switch dead, fresh := m.tombs.haunted(b.Ref, now); {
	case b.ID == m.self.ID:
		m.echo(now)
	case dead:
		m.owes = m.owes || fresh && !b.Gone
	default:
		m.hear(now, b)
	}
	return m.finish(now)
}

// Activate makes a Joining node Active: from now on it owns keys.
func (m *Members) Activate(now time.Time) Effects { return m.become(now, Active) }

// Leave makes this node Leaving: from now on it owns nothing, but is alive.
func (m *Members) Leave(now time.Time) Effects { return m.become(now, Leaving) }

func (m *Members) become(now time.Time, s State) Effects {
	if s > m.self.State {
		m.self.State = s
		m.note(m.self, s.why())
		m.say = true
	}
	return m.finish(now)
}

// LinkDown says that we can hear nobody: from now on nobody's silence counts.
func (m *Members) LinkDown(now time.Time) Effects {
	if m.linkDown.IsZero() {
		m.linkDown = now
	}
	return m.finish(now)
}

// LinkUp ends what LinkDown began: everyone gets a fresh DeadAfter, whoever was suspected
// too, and is asked to beat.
func (m *Members) LinkUp(now time.Time) Effects {
	if m.linkDown.IsZero() {
		return Effects{}
	}
	away := now.Sub(m.linkDown)
	m.linkDown = time.Time{}
	m.excuse(now, away+m.deadAfter)
	for _, p := range m.peers {
		p.acquit()
	}
	m.away(away)
	m.hello()
	m.doubted = true
	m.look.begin(now)
	return m.finish(now)
}

// Gone is the beat to publish as the last.
func (m *Members) Gone() Beat { return Beat{Node: m.self, Gone: true} }

func (m *Members) hear(now time.Time, b Beat) {
	p := m.peers[b.ID]
	switch {
	case p != nil && b.Inc < p.Inc:
		return // an earlier life's beat, still under way
	case b.Gone:
		m.tombs.bury(b.Ref, now)
		if p != nil {
			m.drop(p, Left)
		}
		return
	case p == nil:
		p = &peer{Node: b.Node}
		m.peers[b.ID] = p
		m.look.found(now)
		m.note(p.Node, p.State.why())
	case b.Inc > p.Inc:
		p.Node = b.Node
		m.note(p.Node, Reincarnated)
	default:
		// Beats may overtake each other; the state never goes back.
		b.State = max(b.State, p.State)
		if b.Node != p.Node {
			why := Changed
			if b.State != p.State {
				why = b.State.why()
			}
			p.Node = b.Node
			m.note(p.Node, why)
		}
	}
	if p.demand != b.Demand && p.Role == m.self.Role {
		p.demand, m.demand = b.Demand, true
	}
	p.heard = now
	p.acquit()
	m.owes = m.owes || b.Hello
	m.accusations(now, b.Suspects)
}

// note records a change for the end of the input being handled.
func (m *Members) note(n Node, why Why) {
	m.dirty = true
	if why != Joined || n.State != Joining {
		m.out.Changes = append(m.out.Changes, Change{n, why})
	}
}

func (m *Members) drop(p *peer, why Why) {
	delete(m.peers, p.ID)
	m.note(p.Node, why)
}

// finish gathers the effects of one input.
func (m *Members) finish(now time.Time) Effects {
	m.out.Demands = m.demand || m.dirty
	m.demand = false
	if m.dirty {
		m.dirty = false
		if next := m.views.next(m.nodes()); next != m.views {
			m.views, m.out.Views = next, next
		}
	}
	// Answers are bounded: a crowd that joins at once is answered once. What the bound holds
	// back stays owed until the next input.
	answer := m.owes && now.Sub(m.lastExtra) >= m.interval/10
	if (m.say || answer) && m.linkDown.IsZero() {
		if answer {
			m.lastExtra = now
		}
		m.lastBeat = now
		m.out.Beat = &Beat{Node: m.self, Hello: m.ask, Dead: m.tombs.told(now), Suspects: m.accused()}
		m.say, m.ask, m.owes = false, false, false
	}
	out := m.out
	m.out = Effects{}
	return out
}

// demands is what the others of our role demand that are past joining.
func (m *Members) demands() []float64 {
	var list []float64
	for _, p := range m.peers {
		if p.Role == m.self.Role && p.State != Joining {
			list = append(list, p.demand)
		}
	}
	return list
}

// nodes is everyone alive by role, ourselves included.
func (m *Members) nodes() map[Role][]Node {
	nodes := map[Role][]Node{m.self.Role: {m.self}}
	for _, p := range m.peers {
		nodes[p.Role] = append(nodes[p.Role], p.Node)
	}
	return nodes
}

func (s State) why() Why {
	if s == Leaving {
		return Left
	}
	return Joined
}
