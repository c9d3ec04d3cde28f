package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Checkpoint is the head of a ledger as it was at some time, in the form that https://c2sp.org/tlog-checkpoint describes: a text
// of three lines, which is signed. It is what an auditor keeps.
type Checkpoint struct {
	Origin string // which deployment's it is: the name of its key
	Size   int64  // events that were logged
	Root   tlog.Hash
	Signed bool   // a key that was given has signed it
	From   string // where it was read, for messages; e.g. the name of a file
}

// Head is what the checkpoint says of the tree.
func (c *Checkpoint) Head() lifecycle.LedgerHead {
	return lifecycle.LedgerHead{Size: c.Size, Root: c.Root}
}

// String names the checkpoint in messages.
func (c *Checkpoint) String() string {
	if c.From == "" {
		return fmt.Sprintf("the checkpoint of size %d", c.Size)
	}
	return fmt.Sprintf("checkpoint %s (size %d)", c.From, c.Size)
}

// text is what is signed.
func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// unsignedOrigin is the first line of a head that nobody has signed.
const unsignedOrigin = "unsigned"

// Unsigned writes a head without a signature. It proves nothing to anybody but who has read it with their own eyes.
func Unsigned(head lifecycle.LedgerHead) []byte {
	c := Checkpoint{Origin: unsignedOrigin, Size: head.Size, Root: head.Root}
	return []byte(c.text())
}

// NewKey makes a pair of Ed25519 keys for the deployment with this name, e.g. tenure.example.com/production: the private one,
// to sign with, and the public one, for auditors. Both are one line of text.
func NewKey(origin string) (private, public string, err error) {
	if origin == "" || strings.ContainsFunc(origin, func(r rune) bool { return r <= ' ' || r == '+' || r == 0x7f }) || strings.ToValidUTF8(origin, "") != origin {
		return "", "", fmt.Errorf("the name %q of a ledger must not be empty, and has neither blanks nor plus signs; e.g. tenure.example.com/production", origin)
	}
	return note.GenerateKey(rand.Reader, origin)
}

// A Signer signs checkpoints.
type Signer struct {
	signer note.Signer
	public string
}

// NewSigner reads a private key as [NewKey] makes it. The error leaves the key out.
func NewSigner(private string) (*Signer, error) {
	private = strings.TrimSpace(private)
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, errors.New("is no private key of a ledger, one line that begins with PRIVATE+KEY+; `tenure ledger key` makes one")
	}
	// PRIVATE+KEY+name+hash+base64, of the number of the algorithm, which NewSigner has seen to be Ed25519, and the seed.
	parts := strings.SplitN(private, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		return nil, fmt.Errorf("is no private key of a ledger: %w", err)
	}
	public, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.PublicKey(ed25519.NewKeyFromSeed(seed[1:])[ed25519.SeedSize:]))
	return &Signer{signer, public}, err
}

// Public is the key that the signatures are checked with.
func (s *Signer) Public() string { return s.public }

// Origin is the name of the deployment.
func (s *Signer) Origin() string { return s.signer.Name() }

// Sign writes a head as a checkpoint.
func (s *Signer) Sign(head lifecycle.LedgerHead) ([]byte, error) {
	c := Checkpoint{Origin: s.Origin(), Size: head.Size, Root: head.Root}
	return note.Sign(&note.Note{Text: c.text()}, s.signer)
}

// ErrNotSigned is a checkpoint that no key which was given has signed.
var ErrNotSigned = errors.New("is not signed by a key that was given")

// ReadCheckpoint reads a checkpoint. With public keys one of them must have signed it: [ErrNotSigned] otherwise, also where the
// text was changed afterwards. Without keys nobody looks at signatures, and Signed is false. Lines that follow the third are
// others' business, and covered by the signature.
func ReadCheckpoint(text []byte, keys ...string) (Checkpoint, error) {
	if len(keys) == 0 {
		body, _, _ := strings.Cut(string(text), "\n\n")
		return parseCheckpoint(strings.TrimSuffix(body, "\n") + "\n")
	}
	var known []note.Verifier
	for _, key := range keys {
		v, err := note.NewVerifier(strings.TrimSpace(key))
		if err != nil {
			return Checkpoint{}, fmt.Errorf("%q is no public key of a ledger; `tenure ledger key` writes it to the file that ends in .pub", strings.TrimSpace(key))
		}
		known = append(known, v)
	}
	n, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		if _, shape := ReadCheckpoint(text); shape != nil {
			return Checkpoint{}, shape
		}
		return Checkpoint{}, fmt.Errorf("the checkpoint %w: %w", ErrNotSigned, err)
	}
	c, err := parseCheckpoint(n.Text)
	c.Signed = true
	if err == nil && !slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == c.Origin }) {
		err = fmt.Errorf("the checkpoint is of %s, and %w: the signature is by %s", c.Origin, ErrNotSigned, n.Sigs[0].Name)
	}
	if err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

func parseCheckpoint(text string) (Checkpoint, error) {
	bad := func(what string) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("this is no checkpoint: %s; it has the lines origin, size and root, then a blank one and signatures", what)
	}
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" {
		return bad("it has fewer than three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > mostLeaves || strconv.FormatInt(size, 10) != lines[1] {
		return bad(fmt.Sprintf("%q is no size", lines[1]))
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return bad(fmt.Sprintf("%q is no root", lines[2]))
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// mostLeaves is what every reader of JSON counts up to without rounding.
const mostLeaves = 1 << 53

// ErrInconsistent is a ledger that does not continue an earlier one: what was logged by then was changed, removed or reordered.
var ErrInconsistent = errors.New("the ledger does not continue the checkpoint")

// Consistency proves that the ledger with this head continues an earlier checkpoint, from the hashes that are stored.
// [ErrInconsistent] where it does not; other errors where the hashes cannot be read.
func Consistency(ctx context.Context, tiles Tiles, head lifecycle.LedgerHead, old Checkpoint) (tlog.TreeProof, error) {
	switch {
	case old.Size > head.Size:
		return nil, fmt.Errorf("%w: %s is ahead of the ledger's %d events; some are missing, or the database was restored from a backup", ErrInconsistent, &old, head.Size)
	case old.Size == head.Size && old.Root != head.Root:
		return nil, fmt.Errorf("%w: %s has another root", ErrInconsistent, &old)
	case old.Size == 0, old.Size == head.Size:
		return nil, nil
	}
	proof, err := tlog.ProveTree(head.Size, old.Size, hashesOf(ctx, tiles, head))
	if err != nil {
		return nil, fmt.Errorf("proving that the ledger continues %s: %w", &old, err)
	}
	if err := CheckConsistency(proof, head, old); err != nil {
		return nil, err
	}
	return proof, nil
}

// CheckConsistency looks at a proof that Consistency gave; it needs no database.
func CheckConsistency(proof tlog.TreeProof, head lifecycle.LedgerHead, old Checkpoint) error {
	switch {
	case old.Size == 0 && len(proof) == 0:
		return nil
	case old.Size == head.Size && old.Root == head.Root && len(proof) == 0:
		return nil
	case old.Size <= 0 || old.Size >= head.Size:
		return fmt.Errorf("%w: there is no way from %s to a tree of size %d", ErrInconsistent, &old, head.Size)
	}
	if err := tlog.CheckTree(proof, head.Size, head.Root, old.Size, old.Root); err != nil {
		return fmt.Errorf("%w: the events of %s are not the first of the %d that are there now", ErrInconsistent, &old, head.Size)
	}
	return nil
}
