package rules

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"unsafe"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// CEL values over JSON text. Nothing is decoded before it is asked for, and what is passed on whole is copied as
// it is written. An integer that 64 bits hold is an int; every other number is a double, as in Kubernetes. Of a
// name that an object has twice the last value counts, as it does for a browser.

// maxWork is how many bytes of JSON one evaluation looks at, repeatedly looked at ones included. An index is built
// of what is looked into often, so that this is far more than sensible expressions need.
const maxWork = 8 << 20

// work counts the bytes of JSON that an evaluation has looked at.
type work struct{ left int }

// spend ends the evaluation when it has looked at too much.
func (w *work) spend(n int) {
	if w.left -= n + 1; w.left < 0 {
		panic(interpreter.EvalCancelledError{
			Message: "looks at too much of the payload", Cause: interpreter.CostLimitExceeded,
		})
	}
}

// text is the text of bytes that nobody changes as long as it is used.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// value returns the CEL value of JSON text.
func value(w *work, raw string) ref.Val {
	if raw == "" {
		return types.NewErr("no JSON value")
	}
	switch raw[0] {
	case '{':
		return &object{work: w, raw: raw}
	case '[':
		return &list{work: w, raw: raw}
	case '"':
		return types.String(unquote(raw))
	case 't':
		return types.True
	case 'f':
		return types.False
	case 'n':
		return types.NullValue
	}
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return types.Int(n)
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsInf(f, 0) {
		return types.NewErr("number out of range: %.40s", raw)
	}
	return types.Double(f)
}

// scans is how often a list or an object is searched from its beginning before an index of it is built.
const scans = 4

// list is a JSON array.
type list struct {
	work  *work
	raw   string
	items []string  // once there is an index
	vals  []ref.Val // of the items, those that were asked for
	built bool
}

func (l *list) index() {
	if l.built {
		return
	}
	l.built = true
	l.work.spend(len(l.raw))
	for i := 1; ; {
		raw, next, ok := item(l.raw, i)
		if !ok {
			break
		}
		l.items, i = append(l.items, raw), next
	}
	l.vals = make([]ref.Val, len(l.items))
}

func (l *list) at(i int) ref.Val {
	if l.vals[i] == nil {
		l.vals[i] = value(l.work, l.items[i])
	}
	return l.vals[i]
}

// Get implements traits.Indexer.
func (l *list) Get(index ref.Val) ref.Val {
	i, err := types.GetOrError(index)
	if err != nil {
		return types.ValOrErr(index, "%v", err)
	}
	l.index()
	if i < 0 || i >= len(l.items) {
		return types.NewErr("index out of bounds: %d", i)
	}
	return l.at(i)
}

// Contains implements traits.Container.
func (l *list) Contains(elem ref.Val) ref.Val {
	l.index()
	l.work.spend(len(l.raw))
	for i := range l.items {
		if types.Equal(elem, l.at(i)) == types.True {
			return types.True
		}
	}
	return types.False
}

// Add implements traits.Adder.
func (l *list) Add(other ref.Val) ref.Val {
	l.index()
	for i := range l.items {
		l.at(i)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, l.vals).Add(other)
}

// Fold implements traits.Foldable.
func (l *list) Fold(f traits.Folder) {
	l.index()
	for i := range l.items {
		if !f.FoldEntry(i, l.at(i)) {
			return
		}
	}
}

// Iterator implements traits.Iterable.
func (l *list) Iterator() traits.Iterator {
	l.index()
	return &iterator{n: len(l.items), next: l.at}
}

// Size implements traits.Sizer.
func (l *list) Size() ref.Val {
	l.index()
	return types.Int(len(l.items))
}

// IsZeroValue implements traits.Zeroer.
func (l *list) IsZeroValue() bool { return l.Size() == types.IntZero }

// AggregateSize implements types.AggregateSizeVisitor: it is not walked for it.
func (l *list) AggregateSize(types.AggregateSizer) uint32 { return uint32(len(l.raw)/8) + 1 }

// Equal implements ref.Val.
func (l *list) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok {
		return types.False
	}
	l.work.spend(len(l.raw))
	if o, ok := o.(*list); ok && o.raw == l.raw {
		return types.True
	}
	if l.Size() != o.Size() {
		return types.False
	}
	for i := range l.items {
		if types.Equal(l.at(i), o.Get(types.Int(i))) != types.True {
			return types.False
		}
	}
	return types.True
}

// ConvertToNative implements ref.Val.
func (l *list) ConvertToNative(t reflect.Type) (any, error) {
	return decoded(l.work, l.raw).ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (l *list) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.ListType:
		return l
	case types.TypeType:
		return types.ListType
	}
	return types.NewErr("type conversion error from '%s' to '%s'", types.ListType, t)
}

// Type implements ref.Val.
func (l *list) Type() ref.Type { return types.ListType }

// Value implements ref.Val.
func (l *list) Value() any { return json.RawMessage(l.raw) }

// object is a JSON object.
type object struct {
	work  *work
	raw   string
	scans int
	keys  []types.String // once there is an index: each once, in their order
	items []string
	vals  []ref.Val
	where map[string]int
	built bool
}

func (o *object) index() {
	if o.built {
		return
	}
	o.built, o.where = true, make(map[string]int)
	o.work.spend(len(o.raw))
	for i := 1; ; {
		key, raw, next, ok := pair(o.raw, i)
		if !ok {
			break
		}
		i = next
		name := unquote(key)
		if at, twice := o.where[name]; twice {
			o.items[at] = raw
			continue
		}
		o.where[name] = len(o.keys)
		o.keys, o.items = append(o.keys, types.String(name)), append(o.items, raw)
	}
	o.vals = make([]ref.Val, len(o.items))
}

// pair is item for the members of an object: a name and its value.
func pair(s string, i int) (key, raw string, next int, ok bool) {
	if key, next, ok = item(s, i); ok {
		raw, next, ok = item(s, next)
	}
	return key, raw, next, ok
}

func (o *object) at(i int) ref.Val {
	if o.vals[i] == nil {
		o.vals[i] = value(o.work, o.items[i])
	}
	return o.vals[i]
}

// Find implements traits.Mapper.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if o.scans++; o.scans > scans {
		o.index()
	}
	if o.built {
		if i, ok := o.where[string(name)]; ok {
			return o.at(i), true
		}
		return nil, false
	}
	o.work.spend(len(o.raw))
	found, there := "", false
	for i := 1; ; {
		key, raw, next, ok := pair(o.raw, i)
		if !ok {
			break
		}
		// A name is as long as it is written, or shorter where something in it is escaped.
		if i = next; len(key) >= len(name)+2 && unquote(key) == string(name) {
			found, there = raw, true
		}
	}
	if !there {
		return nil, false
	}
	return value(o.work, found), true
}

// Get implements traits.Indexer.
func (o *object) Get(key ref.Val) ref.Val {
	v, ok := o.Find(key)
	if !ok {
		return types.ValOrErr(key, "no such key: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (o *object) Contains(key ref.Val) ref.Val {
	_, ok := o.Find(key)
	return types.Bool(ok)
}

// Fold implements traits.Foldable.
func (o *object) Fold(f traits.Folder) {
	o.index()
	for i, key := range o.keys {
		if !f.FoldEntry(key, o.at(i)) {
			return
		}
	}
}

// Iterator implements traits.Iterable.
func (o *object) Iterator() traits.Iterator {
	o.index()
	return &iterator{n: len(o.keys), next: func(i int) ref.Val { return o.keys[i] }}
}

// Size implements traits.Sizer.
func (o *object) Size() ref.Val {
	o.index()
	return types.Int(len(o.keys))
}

// IsZeroValue implements traits.Zeroer.
func (o *object) IsZeroValue() bool { return o.Size() == types.IntZero }

// AggregateSize implements types.AggregateSizeVisitor: it is not walked for it.
func (o *object) AggregateSize(types.AggregateSizer) uint32 { return uint32(len(o.raw)/8) + 1 }

// Equal implements ref.Val.
func (o *object) Equal(other ref.Val) ref.Val {
	m, ok := other.(traits.Mapper)
	if !ok {
		return types.False
	}
	o.work.spend(len(o.raw))
	if m, ok := m.(*object); ok && m.raw == o.raw {
		return types.True
	}
	if o.Size() != m.Size() {
		return types.False
	}
	for i, key := range o.keys {
		v, ok := m.Find(key)
		if !ok || types.Equal(o.at(i), v) != types.True {
			return types.False
		}
	}
	return types.True
}

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return decoded(o.work, o.raw).ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return o
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from '%s' to '%s'", types.MapType, t)
}

// Type implements ref.Val.
func (o *object) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (o *object) Value() any { return json.RawMessage(o.raw) }

// decoded is the value of raw, decoded as a whole: for the functions of CEL that want Go's own types.
func decoded(w *work, raw string) ref.Val {
	switch v := value(w, raw).(type) {
	case *list:
		v.index()
		vals := make([]ref.Val, len(v.items))
		for i, raw := range v.items {
			vals[i] = decoded(w, raw)
		}
		return types.NewRefValList(types.DefaultTypeAdapter, vals)
	case *object:
		v.index()
		vals := make(map[ref.Val]ref.Val, len(v.keys))
		for i, key := range v.keys {
			vals[key] = decoded(w, v.items[i])
		}
		return types.NewRefValMap(types.DefaultTypeAdapter, vals)
	default:
		return v
	}
}

// iterator walks items or keys by their numbers.
type iterator struct {
	types.Null // what an iterator need not do
	i, n       int
	next       func(int) ref.Val
}

// HasNext implements traits.Iterator.
func (it *iterator) HasNext() ref.Val { return types.Bool(it.i < it.n) }

// Next implements traits.Iterator.
func (it *iterator) Next() ref.Val {
	if it.i == it.n {
		return nil
	}
	it.i++
	return it.next(it.i - 1)
}

// Type implements ref.Val.
func (it *iterator) Type() ref.Type { return types.IteratorType }
