package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// A fileWitness is a file that remembers how far a deployment had come.
type fileWitness struct{ path string }

// Name satisfies [jobs.Witness].
func (w fileWitness) Name() string { return w.path }

// Read satisfies [jobs.Witness]. A file of another deployment knows nothing of this one.
func (w fileWitness) Read(_ context.Context, deployment string) (lifecycle.HighWater, bool, error) {
	text, err := os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return lifecycle.HighWater{}, false, nil
	}
	if err != nil {
		return lifecycle.HighWater{}, false, fmt.Errorf("reading the witness: %w", err)
	}
	h, ok, err := jobs.ReadMark(text)
	return h, ok && h.Deployment == deployment, err
}

// Write satisfies [jobs.Witness].
func (w fileWitness) Write(_ context.Context, h lifecycle.HighWater) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return writeFile(w.path, func(to io.Writer) error {
		_, err := fmt.Fprintf(to, "%s\n", text)
		return err
	})
}

// witnesses are those of this deployment: a file, and Redis where it is a server of its own.
func (a *app) witnesses(client redis.UniversalClient) (witnesses []jobs.Witness) {
	if path := a.witnessPath(); path != "" {
		witnesses = append(witnesses, fileWitness{path})
	}
	if a.Redis != "" && client != nil {
		witnesses = append(witnesses, jobs.RedisWitness{Client: client})
	}
	return witnesses
}

// witnessPath is empty where there is no such file.
func (a *app) witnessPath() string {
	switch {
	case a.Witness == off:
		return ""
	case a.Witness != "" || !a.embedded():
		return a.Witness
	}
	path, options, _ := strings.Cut(strings.TrimPrefix(a.DB, "sqlite:"), "?")
	if path == ":memory:" || strings.Contains(options, "scratch") || strings.Contains(options, "solitary") {
		return "" // nothing of it is kept either
	}
	return path + ".witness"
}

// guard is what keeps the parts from going by a wrong clock, or by a database that is not the latest.
func (a *app) guard(w *works, client redis.UniversalClient) *jobs.Quarantine {
	return &jobs.Quarantine{Store: w.db, Policy: w.policy.Quarantine, Witnesses: a.witnesses(client), Now: w.sweeper.Now, Log: w.log}
}
