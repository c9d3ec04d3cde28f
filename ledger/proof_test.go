package ledger

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// given is a proof of the history of r-100 in a ledger of 700, which was 400 once, as somebody gets it.
func given(t testing.TB) (s *shelf, text []byte, public string, old Checkpoint) {
	t.Helper()
	signer, public := keys(t, "test")
	s = newShelf(t, 400)
	old = s.checkpoint()
	s.grow(t, 300)
	signed, err := signer.Sign(s.head)
	require.NoError(t, err)
	p, err := Prove(ctx, s, "r-100", signed, s.checkpoint(), &old)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return s, b.Bytes(), public, old
}

func TestProofIsCheckedWithNothingButTheKey(t *testing.T) {
	s, text, public, old := given(t)
	p, err := ReadProof(bytes.NewReader(text))
	require.NoError(t, err)
	at, events, err := p.Check([]string{public}, nil)
	require.NoError(t, err)
	require.Equal(t, s.head, at.Head())
	require.Len(t, events, 3)
	require.Equal(t, int64(300), p.Events[0].Leaf)
	require.Equal(t, LeafText{Relationship: "r-100", Version: 1, Type: "terminated", Effective: "2026-03-01T09:00:00.123456Z", Recorded: "2026-03-01T09:00:01.123456Z",
		From: "active", To: "terminated", Actor: "partner", Rule: "end-term", Caller: "anna"}, events[0])
	require.Empty(t, p.Waiting)

	_, _, err = p.Check([]string{public}, &old)
	require.NoError(t, err, "the auditor's own checkpoint is an earlier one of the same ledger")
	other := old
	other.Root[0]++
	_, _, err = p.Check([]string{public}, &other)
	require.ErrorIs(t, err, ErrInconsistent)
	other.Size = 17
	_, _, err = p.Check([]string{public}, &other)
	require.ErrorContains(t, err, "have it made with `tenure ledger prove --since`")
}

func TestChangedProofProvesNothing(t *testing.T) {
	_, text, public, _ := given(t)
	for name, change := range map[string]func(p *Proof){
		"an event":            func(p *Proof) { p.Events[1].Text = strings.Replace(p.Events[1].Text, "active", "created", 1) },
		"its leaf":            func(p *Proof) { p.Events[1].Leaf++ },
		"a leaf beyond":       func(p *Proof) { p.Events[1].Leaf = 1 << 40 },
		"a leaf before":       func(p *Proof) { p.Events[1].Leaf = -1 },
		"a hash":              func(p *Proof) { p.Events[1].Proof[0][0]++ },
		"a hash less":         func(p *Proof) { p.Events[1].Proof = p.Events[1].Proof[1:] },
		"the relationship":    func(p *Proof) { p.Relationship = "r-101" },
		"an event twice":      func(p *Proof) { p.Events = append(p.Events, p.Events[0]) },
		"two in each other's": func(p *Proof) { p.Events[0].Text, p.Events[1].Text = p.Events[1].Text, p.Events[0].Text },
		"the size":            func(p *Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n700\n", "\n701\n", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ReadProof(bytes.NewReader(text))
			require.NoError(t, err)
			_, _, err = p.Check([]string{public}, nil)
			require.NoError(t, err)
			change(p)
			_, _, err = p.Check([]string{public}, nil)
			require.Error(t, err)
		})
	}
}

func TestProofOfNothingIsNone(t *testing.T) {
	_, text, public, _ := given(t)
	p, err := ReadProof(bytes.NewReader(text))
	require.NoError(t, err)
	p.Events, p.Waiting = nil, nil
	_, _, err = p.Check([]string{public}, nil)
	require.ErrorIs(t, err, ErrUnproven)
}

func TestEventsBehindTheCheckpointAreNotProven(t *testing.T) {
	signer, _ := keys(t, "test")
	s := newShelf(t, 301) // one of r-100's
	text, err := signer.Sign(s.head)
	require.NoError(t, err)
	at := s.checkpoint()
	s.grow(t, 99)
	p, err := Prove(ctx, s, "r-100", text, at, nil)
	require.NoError(t, err)
	require.Len(t, p.Events, 1)
	require.Len(t, p.Waiting, 2)
}

func TestWhatWasChangedIsNotProven(t *testing.T) {
	s, _, _, old := given(t)
	_, err := Prove(ctx, s, "r-999", nil, s.checkpoint(), nil)
	require.ErrorIs(t, err, lifecycle.ErrNotFound)
	old.Root[0]++
	_, err = Prove(ctx, s, "r-100", nil, old, nil)
	require.ErrorIs(t, err, ErrInconsistent)
	id := lifecycle.EventID{Key: 100, Version: 2}
	e := s.events[id]
	e.Reason = "other"
	s.events[id] = e
	_, err = Prove(ctx, s, "r-100", nil, s.checkpoint(), nil)
	require.ErrorContains(t, err, "event 2 of relationship r-100, leaf 301, is not what was logged")
}

func FuzzProof(f *testing.F) {
	_, text, public, old := given(f)
	original, err := ReadProof(bytes.NewReader(text))
	require.NoError(f, err)
	logged := map[string]int64{}
	for _, e := range original.Events {
		logged[e.Text] = e.Leaf
	}
	f.Add(text)
	f.Add([]byte(`{"format":"tenure-ledger-proof/1","events":[{"leaf":9223372036854775807,"proof":[]}],"since":{"size":400}}`))
	f.Fuzz(func(t *testing.T, changed []byte) {
		p, err := ReadProof(bytes.NewReader(changed))
		if err != nil {
			return
		}
		at, _, err := p.Check([]string{public}, nil)
		if err == nil {
			require.Equal(t, int64(700), at.Size)
			for _, e := range p.Events {
				require.Equal(t, logged[e.Text], e.Leaf, "only what was logged is proven")
			}
		}
		if _, _, and := p.Check([]string{public}, &old); and == nil {
			require.NoError(t, err)
		}
	})
}
