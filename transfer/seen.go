package transfer

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
)

// seen remembers which records a run has met, to tell one that is repeated from one that contradicts itself.
//
// It keeps hashes, not ids: 24 bytes a record, which with the room that a map needs comes to some 60 (measured: see
// TestMemoryOfAMillionRecords). Two ids among a million share a 64-bit hash once in 37 million runs; one of them would then be
// reported as contradicting the other, and nothing be lost unsaid. The seed differs with every run, so nobody can bring it
// about with a file.
type seen struct {
	seed    maphash.Seed
	records map[uint64]sighting
}

// A sighting is where a record was met first, and with what content.
type sighting struct {
	content uint64
	file    uint32
	line    uint32 // the 4 thousand millionth line is the last to be told apart
}

// A repetition says how a record relates to those met before.
type repetition int

const (
	first repetition = iota
	same
	contradicting
)

func newSeen() *seen { return &seen{seed: maphash.MakeSeed(), records: map[uint64]sighting{}} }

// meet notes the record named by key; where it was met before, it answers where.
func (s *seen) meet(key, digest string, file, line int) (repetition, sighting) {
	now := sighting{content: contentHash(digest), file: uint32(file), line: uint32(line)}
	h := maphash.String(s.seed, key)
	before, met := s.records[h]
	switch {
	case !met:
		s.records[h] = now
		return first, now
	case before.content == now.content:
		return same, before
	}
	return contradicting, before
}

// contentHash is the first half of a digest.
func contentHash(digest string) uint64 {
	var b [8]byte
	_, _ = hex.Decode(b[:], []byte(digest[:16]))
	return binary.BigEndian.Uint64(b[:])
}
