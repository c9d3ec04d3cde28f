package ledger

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func findings(t testing.TB, s Source, o Options) (found []FindingKind, summary Summary) {
	t.Helper()
	summary, err := Verify(ctx, s, o, func(f Finding) error {
		found = append(found, f.Kind)
		return nil
	})
	require.NoError(t, err)
	return found, summary
}

// An export has the events in the order of the ledger, and no hashes. A checkpoint is enough for it.
func TestExportIsHeldAgainstCheckpointsAlone(t *testing.T) {
	s := newShelf(t, 300)
	early := s.checkpoint()
	s.grow(t, 400)
	late := s.checkpoint()
	o := Options{NoTiles: true, Checkpoints: []Checkpoint{late, early}}
	s.tiles, s.head = nil, lifecycle.LedgerHead{}
	found, summary := findings(t, s, o)
	require.Empty(t, found)
	require.Equal(t, Summary{Head: late.Head(), Events: 700, Checkpoints: 2}, summary)

	id := lifecycle.EventID{Key: 150, Version: 1}
	event := s.events[id]
	event.Detail = "other"
	s.events[id] = event
	found, summary = findings(t, s, o)
	require.Equal(t, []FindingKind{OtherHistory}, found)
	require.Equal(t, 1, summary.Checkpoints, "what came before the change is as it was")

	delete(s.bundles, 2)
	found, _ = findings(t, s, o)
	require.Equal(t, MissingHistory, found[0])
}

func TestVerifyGoesNoFurtherThanItsReport(t *testing.T) {
	s := newShelf(t, 600)
	for id, event := range s.events {
		event.Reason = "other"
		s.events[id] = event
	}
	enough, reports := errors.New("enough"), 0
	_, err := Verify(ctx, s, Options{}, func(Finding) error {
		if reports++; reports == 10 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 10, reports)
}

func TestProgressComesToItsEnd(t *testing.T) {
	last := int64(-1)
	_, summary := findings(t, newShelf(t, 5000), Options{Progress: func(done, leaves int64) {
		require.Greater(t, done, last)
		require.Equal(t, int64(5000), leaves)
		last = done
	}})
	require.Equal(t, int64(5000), last)
	require.Equal(t, int64(5000), summary.Events)
}

func TestFindingsReadWell(t *testing.T) {
	for want, f := range map[string]Finding{
		"leaf 7: event 2 of r-1: was logged and is not there": {Leaf: 7, ID: lifecycle.EventID{Key: 3, Version: 2}, Relationship: "r-1", Detail: "was logged and is not there"},
		"event 2 of key 3: is there":                          {Leaf: -1, ID: lifecycle.EventID{Key: 3, Version: 2}, Detail: "is there"},
		"event -4 of no relationship: is there":               {Leaf: -1, ID: lifecycle.EventID{Version: -4}, Detail: "is there"},
		"the root is another":                                 {Leaf: -1, Detail: "the root is another"},
	} {
		require.Equal(t, want, f.String())
	}
}
