package ledger

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	height    = 8           // levels of the tree in a tile
	width     = 1 << height // hashes in a full tile, and events in a full bundle
	fullBytes = width * tlog.HashSize
)

// An edge is the right edge of a tree: of each level of tiles the one that is not full yet. It is all that is needed to add to
// the tree and to compute its root, however large the tree is.
type edge struct {
	size  int64
	tiles [][]byte                                // by level; the hashes of the unfinished tile
	full  func(level int, n int64, hashes []byte) // told of each tile that was filled; may be nil
}

// add appends a leaf.
func (e *edge) add(h tlog.Hash) {
	e.size++
	e.put(0, h)
}

func (e *edge) put(level int, h tlog.Hash) {
	if level == len(e.tiles) {
		e.tiles = append(e.tiles, nil)
	}
	e.tiles[level] = append(e.tiles[level], h[:]...)
	if len(e.tiles[level]) < fullBytes {
		return
	}
	hashes := e.tiles[level]
	e.tiles[level] = nil
	if e.full != nil {
		e.full(level, e.number(level)-1, hashes)
	}
	e.put(level+1, tileRoot(hashes))
}

// number is which one of its level the unfinished tile is.
func (e *edge) number(level int) int64 { return e.size >> (height * (level + 1)) }

// tileRoot is the one hash above those of a full tile.
func tileRoot(hashes []byte) tlog.Hash {
	if len(hashes) == tlog.HashSize {
		return tlog.Hash(hashes)
	}
	half := len(hashes) / 2
	return tlog.NodeHash(tileRoot(hashes[:half]), tileRoot(hashes[half:]))
}

// root is the hash of the whole tree.
func (e *edge) root() (tlog.Hash, error) {
	return tlog.TreeHash(e.size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(height, index)
			if tile.L >= len(e.tiles) || tile.N != e.number(tile.L) {
				return nil, fmt.Errorf("tile %s is not on the edge of a tree of %d leaves", tile.Path(), e.size)
			}
			var err error
			if hashes[i], err = tlog.HashFromTile(tile, e.tiles[tile.L], index); err != nil {
				return nil, err
			}
		}
		return hashes, nil
	}))
}

// edgeOf is the edge as it is stored.
func edgeOf(size int64, tiles []lifecycle.LedgerTile) (*edge, error) {
	if size < 0 || size > mostLeaves {
		return nil, fmt.Errorf("%d is no size of a ledger", size)
	}
	e := &edge{size: size}
	for n := size; n > 0; n /= width {
		e.tiles = append(e.tiles, nil)
	}
	for _, t := range tiles {
		if t.Level >= len(e.tiles) || t.N != e.number(t.Level) || int64(len(t.Hashes)) != (size>>(height*t.Level))%width*tlog.HashSize {
			return nil, fmt.Errorf("tile %d of level %d with %d bytes is not on the edge of a tree of %d leaves", t.N, t.Level, len(t.Hashes), size)
		}
		e.tiles[t.Level] = append([]byte(nil), t.Hashes...)
	}
	return e, nil
}

// Grow adds the events of a page to the ledger, in their order. The stored edge has to be the one that the stored root is over:
// nothing is ever built on a tree that somebody has tampered with.
func Grow(page lifecycle.LedgerPage) (lifecycle.LedgerGrowth, error) {
	e, err := edgeOf(page.Head.Size, page.Edge)
	if err != nil {
		return lifecycle.LedgerGrowth{}, err
	}
	root, err := e.root()
	if err == nil && root != page.Head.Root {
		err = fmt.Errorf("their root is %s, and %s was written down with them", root, tlog.Hash(page.Head.Root))
	}
	if err != nil {
		return lifecycle.LedgerGrowth{}, fmt.Errorf("the tiles of the ledger's %d leaves were tampered with; `tenure verify` says where: %w", page.Head.Size, err)
	}
	g := lifecycle.LedgerGrowth{From: page.Head.Size, Batches: page.Batches}
	e.full = func(level int, n int64, hashes []byte) {
		g.Tiles = append(g.Tiles, lifecycle.LedgerTile{Level: level, N: n, Hashes: hashes})
	}
	last := page.Last
	for i := range page.Events {
		e.add(leafHash(&page.Events[i]))
		last.Events = append(last.Events, page.Events[i].ID())
		if len(last.Events) == width {
			g.Bundles, last = append(g.Bundles, last), lifecycle.LedgerBundle{N: last.N + 1}
		}
	}
	if len(last.Events) > 0 {
		g.Bundles = append(g.Bundles, last)
	}
	for level, hashes := range e.tiles {
		if len(hashes) > 0 && e.size>>(height*level) != g.From>>(height*level) {
			g.Tiles = append(g.Tiles, lifecycle.LedgerTile{Level: level, N: e.number(level), Hashes: hashes})
		}
	}
	g.Head.Size = e.size
	g.Head.Root, err = e.root()
	return g, err
}

// Tiles are the hashes of a ledger as they are stored.
type Tiles interface {
	// LedgerTile reads a tile; it may be longer than the caller expects, and is empty where there is none.
	LedgerTile(ctx context.Context, level int, n int64) ([]byte, error)
}

// hashesOf reads hashes of the tree with this head. What it answers has been checked against the head's root.
func hashesOf(ctx context.Context, tiles Tiles, head lifecycle.LedgerHead) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: head.Root}, &tileReader{ctx, tiles})
}

// A tileReader lives as long as one reading, which is why it may hold a context: tlog's interface has no place for one.
type tileReader struct {
	ctx   context.Context
	tiles Tiles
}

// Height is that of all tiles.
func (r *tileReader) Height() int { return height }

// SaveTiles has nothing to do: they are kept already.
func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles reads as much of each tile as is asked for.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		hashes, err := r.tiles.LedgerTile(r.ctx, t.L, t.N)
		if err != nil {
			return nil, err
		}
		if len(hashes) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %d of level %d of the ledger holds %d bytes, %d are due", t.N, t.L, len(hashes), t.W*tlog.HashSize)
		}
		data[i] = hashes[:t.W*tlog.HashSize]
	}
	return data, nil
}
