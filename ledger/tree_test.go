package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/lifecycle"
)

var ctx = context.Background()

// A shelf is a ledger in memory.
type shelf struct {
	head    lifecycle.LedgerHead
	tiles   map[[2]int64][]byte
	bundles map[int64][]lifecycle.EventID
	events  map[lifecycle.EventID]lifecycle.Event
	waiting []lifecycle.EventID
}

func newShelf(t testing.TB, events int) *shelf {
	t.Helper()
	root, err := new(edge).root()
	require.NoError(t, err)
	s := &shelf{head: lifecycle.LedgerHead{Root: root}, tiles: map[[2]int64][]byte{}, bundles: map[int64][]lifecycle.EventID{},
		events: map[lifecycle.EventID]lifecycle.Event{}}
	s.grow(t, events)
	return s
}

func (s *shelf) grow(t testing.TB, n int) {
	t.Helper()
	page := s.page()
	for range n {
		e := everything()
		e.Key, e.Version = int64(len(s.events)/3), int64(len(s.events)%3+1)
		e.RelationshipID = fmt.Sprintf("r-%d", e.Key)
		s.events[e.ID()] = e
		page.Events = append(page.Events, e)
	}
	g, err := Grow(page)
	require.NoError(t, err)
	s.head = g.Head
	for _, tile := range g.Tiles {
		s.tiles[[2]int64{int64(tile.Level), tile.N}] = tile.Hashes
	}
	for _, b := range g.Bundles {
		s.bundles[b.N] = b.Events
	}
}

func (s *shelf) page() lifecycle.LedgerPage {
	page := lifecycle.LedgerPage{Head: s.head, Last: lifecycle.LedgerBundle{N: s.head.Size / width}}
	if s.head.Size%width > 0 {
		page.Last.Events = slices.Clone(s.bundles[page.Last.N])
	}
	for level, n := 0, s.head.Size; n > 0; level, n = level+1, n/width {
		if n%width > 0 {
			page.Edge = append(page.Edge, lifecycle.LedgerTile{Level: level, N: n / width, Hashes: slices.Clone(s.tiles[[2]int64{int64(level), n / width}])})
		}
	}
	return page
}

func (s *shelf) LedgerHead(context.Context) (lifecycle.LedgerHead, error) { return s.head, nil }

func (s *shelf) LedgerTile(_ context.Context, level int, n int64) ([]byte, error) {
	return s.tiles[[2]int64{int64(level), n}], nil
}

func (s *shelf) EachBundle(_ context.Context, fn func(lifecycle.LedgerBundle) error) error {
	for _, n := range slices.Sorted(maps.Keys(s.bundles)) {
		if err := fn(lifecycle.LedgerBundle{N: n, Events: s.bundles[n]}); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) EachLogged(ctx context.Context, fn func(lifecycle.Logged) error) error {
	return s.EachBundle(ctx, func(b lifecycle.LedgerBundle) error {
		for i, id := range b.Events {
			l := lifecycle.Logged{N: b.N*width + int64(i), ID: id}
			if e, ok := s.events[id]; ok {
				l.Event = &e
			}
			if err := fn(l); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *shelf) EachWaiting(_ context.Context, fn func(lifecycle.EventID) error) error {
	for _, id := range s.waiting {
		if err := fn(id); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) EachEventID(_ context.Context, fn func(lifecycle.EventID) error) error {
	for id := range s.events {
		if err := fn(id); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) RelationshipOf(_ context.Context, key int64) (string, error) {
	return fmt.Sprintf("r-%d", key), nil
}

func (s *shelf) LedgerEvents(_ context.Context, id string) (events []lifecycle.Event, err error) {
	for _, e := range s.events {
		if e.RelationshipID == id {
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b lifecycle.Event) int { return int(a.Version - b.Version) })
	return events, nil
}

func (s *shelf) checkpoint() Checkpoint {
	return Checkpoint{Origin: "test", Size: s.head.Size, Root: s.head.Root, Signed: true}
}

// The tree is the one that tlog keeps in its own, unhurried way, at every size and however it has grown.
func TestTreeIsThatOfCertificateTransparency(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, n := range indexes {
			hashes[i] = stored[n]
		}
		return hashes, nil
	})
	var e edge
	for n := range int64(256*256 + 300) {
		leaf := tlog.RecordHash(fmt.Append(nil, n))
		more, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		require.NoError(t, err)
		stored = append(stored, more...)
		e.add(leaf)
		if n%997 == 0 || n < 1100 && n%256 < 2 || n > 65500 && n%7 == 0 || n >= 65534 && n < 65540 {
			want, err := tlog.TreeHash(n+1, reader)
			require.NoError(t, err)
			got, err := e.root()
			require.NoError(t, err)
			require.Equal(t, want, tlog.Hash(got), "of %d leaves", n+1)
		}
	}
}

func TestLedgerGrowsInPagesOfAnySize(t *testing.T) {
	all := newShelf(t, 1500)
	for _, size := range []int{1, 255, 256, 257, 700} {
		s := newShelf(t, 0)
		for left := 1500; left > 0; left -= size {
			s.grow(t, min(size, left))
		}
		require.Equal(t, all.head, s.head, "in pages of %d", size)
		require.Equal(t, all.tiles, s.tiles)
		require.Equal(t, all.bundles, s.bundles)
	}
}

func TestNothingIsBuiltOnATamperedTree(t *testing.T) {
	for name, change := range map[string]func(*lifecycle.LedgerPage){
		"a hash":      func(p *lifecycle.LedgerPage) { p.Edge[0].Hashes[0]++ },
		"a short one": func(p *lifecycle.LedgerPage) { p.Edge[0].Hashes = p.Edge[0].Hashes[:32] },
		"no tiles":    func(p *lifecycle.LedgerPage) { p.Edge = nil },
		"the root":    func(p *lifecycle.LedgerPage) { p.Head.Root[0]++ },
		"the size":    func(p *lifecycle.LedgerPage) { p.Head.Size++ },
		"no size":     func(p *lifecycle.LedgerPage) { p.Head.Size = -1 },
	} {
		page := newShelf(t, 300).page()
		change(&page)
		_, err := Grow(page)
		require.Error(t, err, name)
	}
}

func TestLaterLedgerContinuesEveryEarlierOne(t *testing.T) {
	s := newShelf(t, 0)
	var olds []Checkpoint
	for _, n := range []int{0, 1, 254, 1, 1, 300, 700} {
		s.grow(t, n)
		olds = append(olds, s.checkpoint())
	}
	for _, old := range olds {
		proof, err := Consistency(ctx, s, s.head, old)
		require.NoError(t, err)
		require.NoError(t, CheckConsistency(proof, s.head, old))
		other := old
		if other.Root[3]++; old.Size > 0 {
			_, err = Consistency(ctx, s, s.head, other)
			require.ErrorIs(t, err, ErrInconsistent)
			require.ErrorIs(t, CheckConsistency(proof, s.head, other), ErrInconsistent)
		}
	}
	ahead := s.checkpoint()
	ahead.Size++
	_, err := Consistency(ctx, s, s.head, ahead)
	require.ErrorIs(t, err, ErrInconsistent)

	s.tiles[[2]int64{0, 0}][5]++
	_, err = Consistency(ctx, s, s.head, olds[1])
	require.Error(t, err, "the hashes are not those of the head")
	require.False(t, errors.Is(err, ErrInconsistent))
}
