package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Bounds of what a heartbeat may say; one that exceeds them is invalid.
const (
	beatVersion  = 1
	maxBeatBytes = 256 << 10
	maxNameBytes = 256
	maxBeatLanes = 1 << 16
	maxDemand    = 1e15
	maxBeatRefs  = 256  // the dead one beat tells of, and the suspects
	maxReadRefs  = 4096 // of either, that one beat is believed
)

// errBeat is wrapped by every error of decodeBeat.
var errBeat = errors.New("bad heartbeat")

// Beat is one heartbeat, published on rt.beat.<role> (wire.Beat) as JSON:
//
//	{"v":1, "id":"00f3…16 hex digits", "inc":0, "role":"router", "name":"host-7", "lanes":4,
//	 "state":"active", "version":"1.2.0", "hello":true, "gone":true,
//	 "dead":[{"id":"…","inc":0}], "suspects":[{"id":"…","inc":0}], "load":{"name":number},
//	 "demand":number}
//
// Absent fields are zero, unknown ones are ignored: a field can be added without a new v,
// as long as those who do not know it may ignore it.
type Beat struct {
	Node
	Hello    bool               // everyone is asked to beat at once
	Gone     bool               // the last beat of this node: drop it now
	Dead     []Ref              // incarnations declared dead that were heard nevertheless
	Suspects []Ref              // not dead yet, but NATS finds nobody there: they die sooner
	Load     map[string]float64 // small numbers on how busy the node is, named by the role

	// Demand is what the node would use of what is common to its role, in a unit of the role's. Who
	// does not tell, as the releases before it do not, demands nothing.
	Demand float64
}

type wireBeat struct {
	V        int                `json:"v"`
	ID       wireID             `json:"id"`
	Inc      uint32             `json:"inc"`
	Role     Role               `json:"role"`
	Name     string             `json:"name,omitempty"`
	Lanes    int                `json:"lanes,omitempty"`
	State    State              `json:"state"`
	Version  string             `json:"version,omitempty"`
	Hello    bool               `json:"hello,omitempty"`
	Gone     bool               `json:"gone,omitempty"`
	Dead     []wireRef          `json:"dead,omitempty"`
	Suspects []wireRef          `json:"suspects,omitempty"`
	Load     map[string]float64 `json:"load,omitempty"`
	Demand   float64            `json:"demand,omitempty"`
}

type wireRef struct {
	ID  wireID `json:"id"`
	Inc uint32 `json:"inc"`
}

// wireID is text on the wire: a JSON number above 2⁵³ is not safe in every reader.
type wireID uint64

func (id wireID) MarshalText() ([]byte, error) { return []byte(IDString(uint64(id))), nil }

func (id *wireID) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || len(b) != 16 {
		return fmt.Errorf("id %.20q is not 16 hex digits", b)
	}
	*id = wireID(n)
	return nil
}

// encode fails only on a load or demand that JSON has no number for (NaN, infinite).
func (b Beat) encode() ([]byte, error) {
	w := wireBeat{
		V: beatVersion, ID: wireID(b.ID), Inc: b.Inc, Role: b.Role, Name: b.Name, Lanes: b.Lanes,
		State: b.State, Version: b.Version, Hello: b.Hello, Gone: b.Gone, Load: b.Load, Demand: b.Demand,
		Dead: toWire(b.Dead), Suspects: toWire(b.Suspects),
	}
	data, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode heartbeat: %w", err)
	}
	return data, nil
}

// decodeBeat reads a heartbeat and checks every bound, so that Members can trust it. Its
// errors wrap errBeat.
func decodeBeat(data []byte) (Beat, error) {
	var w wireBeat
	if len(data) > maxBeatBytes {
		return Beat{}, fmt.Errorf("%w: %d bytes", errBeat, len(data))
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return Beat{}, fmt.Errorf("%w: %w", errBeat, err)
	}
	if err := w.check(); err != nil {
		return Beat{}, fmt.Errorf("%w: %w", errBeat, err)
	}
	b := Beat{
		Node: Node{
			Ref: Ref{uint64(w.ID), w.Inc}, Role: w.Role, Name: w.Name, Lanes: w.Lanes,
			State: w.State, Version: w.Version,
		},
		Hello: w.Hello, Gone: w.Gone, Load: w.Load, Demand: w.Demand,
		Dead: fromWire(w.Dead), Suspects: fromWire(w.Suspects),
	}
	return b, nil
}

func toWire(refs []Ref) (list []wireRef) {
	for _, r := range refs {
		list = append(list, wireRef{wireID(r.ID), r.Inc})
	}
	return list
}

func fromWire(list []wireRef) (refs []Ref) {
	for _, r := range list {
		refs = append(refs, Ref{uint64(r.ID), r.Inc})
	}
	return refs
}

func (w *wireBeat) check() error {
	switch {
	case w.V != beatVersion:
		return fmt.Errorf("format version %d", w.V)
	case w.ID == 0:
		return errors.New("no id")
	case w.Inc == math.MaxUint32: // there must be a next one
		return fmt.Errorf("incarnation %d", w.Inc)
	case !w.Role.Valid():
		return fmt.Errorf("role %.20q", w.Role)
	case w.Lanes < 0 || w.Lanes > maxBeatLanes:
		return fmt.Errorf("%d lanes", w.Lanes)
	case len(w.Name) > maxNameBytes || len(w.Version) > maxNameBytes:
		return errors.New("name or version too long")
	case w.Demand < 0 || w.Demand > maxDemand:
		return fmt.Errorf("demand of %g", w.Demand)
	case len(w.Dead) > maxReadRefs || len(w.Suspects) > maxReadRefs:
		return fmt.Errorf("%d dead, %d suspects", len(w.Dead), len(w.Suspects))
	}
	for _, r := range w.Dead {
		if r.Inc == math.MaxUint32 {
			return fmt.Errorf("dead incarnation %d", r.Inc)
		}
	}
	return nil
}
