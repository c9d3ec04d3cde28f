package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/lifecycle"
)

// RedisWitness is Redis as a witness: one plain value for each deployment. It may be lost at any time, and is written anew.
type RedisWitness struct{ Client redis.UniversalClient }

// Name satisfies [Witness].
func (RedisWitness) Name() string { return "redis" }

func witnessKey(deployment string) string { return "tenure:witness:" + deployment }

// Read satisfies [Witness].
func (w RedisWitness) Read(ctx context.Context, deployment string) (lifecycle.HighWater, bool, error) {
	text, err := w.Client.Get(ctx, witnessKey(deployment)).Bytes()
	if errors.Is(err, redis.Nil) {
		return lifecycle.HighWater{}, false, nil
	}
	if err != nil {
		return lifecycle.HighWater{}, false, fmt.Errorf("asking Redis how far tenure had come: %w", err)
	}
	return ReadMark(text)
}

// Write satisfies [Witness].
func (w RedisWitness) Write(ctx context.Context, h lifecycle.HighWater) error {
	text, err := json.Marshal(h)
	if err == nil {
		err = w.Client.Set(ctx, witnessKey(h.Deployment), text, 0).Err()
	}
	if err != nil {
		return fmt.Errorf("telling Redis how far tenure has come: %w", err)
	}
	return nil
}

// ReadMark reads what a witness has written.
func ReadMark(text []byte) (h lifecycle.HighWater, ok bool, err error) {
	if err := json.Unmarshal(text, &h); err != nil {
		return h, false, fmt.Errorf("the high-water mark is spoilt: %w", err)
	}
	return h, h.Deployment != "", nil
}
