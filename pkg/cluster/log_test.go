package cluster

import (
	"reflect"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestLog holds what an operator reads while nodes come and go.
func TestLog(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	self := Node{Ref: Ref{ID: 1}, Role: RoleGateway, Name: "a"}
	m, err := newMember((&air{}).bus(), Config{Self: self, Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	now := m.members.lastTick.Add(1) // any time will do
	router := Node{Ref: Ref{ID: 2}, Role: RoleRouter, Name: "b", State: Active}
	leaves := router
	leaves.State = Leaving
	const b = "0000000000000002/0 b"

	for _, tt := range []struct {
		step    func() Effects
		level   string
		message string
		fields  map[string]any
	}{
		{func() Effects { return m.members.Tick(now) }, "", "", nil},
		{func() Effects { return m.members.Beat(now, Beat{Node: router}) }, "debug", "view changed",
			map[string]any{"role": "router", "active": int64(1), "joined": []any{b}}},
		{func() Effects { return m.members.Activate(now) }, "info", "joined the cluster",
			map[string]any{"gateways": int64(1), "routers": int64(1), "presences": int64(0)}},
		{func() Effects { return m.members.Beat(now, Beat{Node: leaves}) }, "info", "view changed",
			map[string]any{"role": "router", "active": int64(0), "leaving": []any{b}}},
		{func() Effects { return m.members.Beat(now, Beat{Node: leaves, Gone: true}) }, "info", "view changed",
			map[string]any{"role": "router", "active": int64(0), "left": []any{b}}},
		{func() Effects { return m.members.Leave(now) }, "info", "leaving the cluster", map[string]any{}},
	} {
		e := tt.step()
		m.apply(Effects{Views: e.Views, Changes: e.Changes})
		lines := logs.TakeAll()
		if tt.message == "" {
			if len(lines) > 0 {
				t.Errorf("nothing happened, and %v was logged", lines)
			}
			continue
		}
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines %v", tt.message, len(lines), lines)
		}
		got := lines[0].ContextMap()
		delete(got, "view")
		if lines[0].Message != tt.message || lines[0].Level.String() != tt.level || !reflect.DeepEqual(got, tt.fields) {
			t.Errorf("logged %s %q %v, want %s %q %v", lines[0].Level, lines[0].Message, got, tt.level, tt.message, tt.fields)
		}
	}
}
