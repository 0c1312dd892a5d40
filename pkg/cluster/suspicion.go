package cluster

import (
	"cmp"
	"slices"
	"time"
)

// This file is Members' part in suspicion: how a death is noticed before DeadAfter.
//
// When a process ends, its NATS server knows at once, and answers what is sent to it with
// "no responders". Who gets that answer accuses the node in its beats, and everyone gives
// the suspect SuspectAfter to be heard, once in a silence: more accusations change nothing.
// The suspect may be innocent, as a node whose NATS server died is not there until it has
// reconnected. So it beats at once when it hears of it, and once more half a BeatInterval
// later, for those where its first answer overtook the accusation; and any beat of it ends
// the matter.

// Suspect takes our own side's word that nodes are not there. Of one that is not alive, or
// while our link is down, it means nothing.
func (m *Members) Suspect(now time.Time, refs []Ref) Effects {
	m.wake(now)
	for _, r := range refs {
		if p := m.peers[r.ID]; p != nil && p.Ref == r && m.linkDown.IsZero() {
			// Even if others said so before: some may have heard the suspect since.
			m.owes = m.owes || !p.accused
			p.accused = true
			m.suspect(now, p)
		}
	}
	return m.finish(now)
}

// accusations takes what another node's beat says of suspects.
func (m *Members) accusations(now time.Time, refs []Ref) {
	for _, r := range refs {
		if r == m.self.Ref {
			m.owes, m.doubted = true, true
		} else if p := m.peers[r.ID]; p != nil && p.Ref == r {
			m.suspect(now, p)
		}
	}
}

func (m *Members) suspect(now time.Time, p *peer) {
	if p.suspected.IsZero() {
		p.suspected = now
		m.out.Suspected = append(m.out.Suspected, p.Node)
	}
}

// overdue reports whether a suspect has had its time. As listening is too slow to tell
// within that time that we hear nothing, we must have heard ourselves since it began.
func (m *Members) overdue(p *peer, now time.Time) bool {
	return !p.suspected.IsZero() && now.Sub(p.suspected) >= m.suspectAfter &&
		(m.lastEcho.IsZero() || !m.lastEcho.Before(p.suspected))
}

// acquit ends the suspicion of a node.
func (p *peer) acquit() { p.suspected, p.accused = time.Time{}, false }

// accused gives the suspects our beats have to carry, at most maxBeatRefs.
func (m *Members) accused() []Ref {
	var refs []Ref
	for _, p := range m.peers {
		if p.accused {
			refs = append(refs, p.Ref)
		}
	}
	slices.SortFunc(refs, func(a, b Ref) int { return cmp.Compare(a.ID, b.ID) })
	return refs[:min(len(refs), maxBeatRefs)]
}
