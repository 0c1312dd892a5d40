package durable

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/realtime-cluster/realtime/pkg/jsstream"
)

// markerTTL is how long a deletion leaves its marker: longer than any replica is behind and any
// write is on its way.
const markerTTL = 10 * time.Minute

func newOpener(js jetstream.JetStream, replicas int, patience time.Duration, log *zap.Logger) *jsstream.Opener {
	return jsstream.NewOpener(jsstream.Config{
		JetStream: js,
		Stream:    bucketConfig(),
		Replicas:  replicas,
		Placement: &jsstream.Placement{Patience: patience},
		Log:       log,
	})
}

// bucketConfig is what nats.go makes of a bucket with one value per key, and markers that may vanish.
func bucketConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              stream,
		Description:       "durable rooms and their members",
		Subjects:          []string{subject + ">"},
		Storage:           jetstream.FileStorage,
		MaxMsgsPerSubject: 1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Discard:           jetstream.DiscardNew,
		Duplicates:        2 * time.Minute,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowDirect:       true,
		AllowMsgTTL:       true,
	}
}
