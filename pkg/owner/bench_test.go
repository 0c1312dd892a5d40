package owner

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/cluster"
	"github.com/realtime-cluster/realtime/pkg/wire"
)

// countHandler does next to nothing with a record, so that what the lane does shows.
type countHandler struct {
	*simHandler
	applied int
}

func (h *countHandler) Key(rec wire.Record) (string, bool, error) {
	var p wire.Publish
	err := p.Decode(rec.Body)
	return p.Topic, true, err
}

func (h *countHandler) Apply(Source, wire.Record) { h.applied++ }

// BenchmarkRecord is what a lane does for one record of a batch of 64.
func BenchmarkRecord(b *testing.B) {
	h := &countHandler{simHandler: &simHandler{}}
	d := Detach(Config{
		Handler: func(*Lane) Handler { return h }, Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	}, scriptNode(scriptSelf), 0, func(string, string, []byte) error { return nil })
	now := time.Unix(1e9, 0)
	v := scriptView(scriptSelf)
	d.Adopt(now, &cluster.Views{Gateways: &cluster.View{}, Routers: v, Presences: &cluster.View{}})
	d.Tick(now.Add(HoldMax))
	if !d.lane.Open() {
		b.Fatal("the view is not open")
	}
	batch := wire.AppendHeader(nil, wire.Header{FromID: scriptGateway, Lanes: 1, View: v.Version})
	const records = 64
	for range records {
		batch = wire.AppendPublish(batch, &wire.Publish{Topic: "some.topic", Payload: []byte(`"hello"`)})
	}
	for b.Loop() {
		d.lane.batch(batch, wire.DirUp)
	}
	if want := records * b.N; h.applied < want {
		b.Fatalf("%d records of %d", h.applied, want)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}
