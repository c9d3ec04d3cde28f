package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// ledgerKeySetting is for commands that sign checkpoints.
type ledgerKeySetting struct {
	LedgerKeyFile string `env:"TENURE_LEDGER_KEY_FILE" placeholder:"FILE" help:"Private key that checkpoints of the ledger are signed with; made by tenure ledger key."`
}

// ledgerSettings are for processes that write checkpoints by themselves.
type ledgerSettings struct {
	ledgerKeySetting
	Checkpoint string `env:"TENURE_CHECKPOINT" placeholder:"PATH" help:"File, or folder, that signed checkpoints of the ledger are written to each minute in which it has grown; put it where whoever runs the database cannot change it."`
}

// signer is nil where no key was named.
func (s *ledgerKeySetting) signer() (*ledger.Signer, error) {
	if s.LedgerKeyFile == "" {
		return nil, nil
	}
	private, err := readSecret(s.LedgerKeyFile)
	if err != nil {
		return nil, err
	}
	signer, err := ledger.NewSigner(private)
	if err != nil {
		return nil, usageError("--ledger-key-file %s %w", s.LedgerKeyFile, err)
	}
	return signer, nil
}

// checkpoints is who writes checkpoints; nil where nobody wants any.
func (s *ledgerSettings) checkpoints() (*checkpoints, error) {
	if s.Checkpoint != "" && s.LedgerKeyFile == "" {
		return nil, usageError("--checkpoint %s: checkpoints are signed; make a key with `tenure ledger key` and name it with --ledger-key-file", s.Checkpoint)
	}
	signer, err := s.signer()
	if err != nil || s.Checkpoint == "" {
		return nil, err
	}
	c := &checkpoints{path: s.Checkpoint, signer: signer}
	if folder := filepath.Dir(c.path); !isFolder(folder) || strings.HasSuffix(c.path, "/") && !isFolder(c.path) {
		return nil, usageError("--checkpoint %s: there is no folder %s", c.path, folder)
	}
	_, err = c.last()
	return c, err
}

// checkpoints are the signed heads of a ledger in a file, which has the latest one, or in a folder, which has a file for each.
type checkpoints struct {
	path   string
	signer *ledger.Signer
}

// publishCheckpoints has the sequencer write checkpoints where the settings say, if they do.
func (w *works) publishCheckpoints(s *ledgerSettings) error {
	c, err := s.checkpoints()
	if err == nil && c != nil {
		w.sequencer.Publish = func(ctx context.Context) error { return c.publish(ctx, w.db) }
	}
	return err
}

// checkpointSuffix ends the names of checkpoints in a folder; in front stands the size.
const checkpointSuffix = ".checkpoint"

// publish writes a checkpoint where the ledger has grown since the last one. It signs nothing that does not continue the last one:
// whoever changes the history of the database must not get a signature for it.
func (c *checkpoints) publish(ctx context.Context, db *storage.DB) error {
	last, err := c.last()
	if err != nil {
		return err
	}
	s, err := db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	head, err := s.LedgerHead(ctx)
	if err != nil {
		return err
	}
	if last != nil {
		if _, err := ledger.Consistency(ctx, s, head, *last); err != nil {
			return fmt.Errorf("%w; nothing was signed. `tenure verify --checkpoint %s` says what is wrong. Where the database was restored from a backup on purpose, "+
				"move the checkpoints away that were written after it", err, c.path)
		}
	}
	if head.Size == 0 || last != nil && last.Size == head.Size {
		return nil
	}
	text, err := c.signer.Sign(head)
	if err != nil {
		return fmt.Errorf("signing a checkpoint: %w", err)
	}
	return writeOpenly(c.file(head), text)
}

// file is where a checkpoint goes.
func (c *checkpoints) file(head lifecycle.LedgerHead) string {
	if !isFolder(c.path) {
		return c.path
	}
	return filepath.Join(c.path, fmt.Sprintf("%012d%s", head.Size, checkpointSuffix))
}

// last is the latest checkpoint that was written; nil where there is none.
func (c *checkpoints) last() (*ledger.Checkpoint, error) {
	path := c.path
	if isFolder(path) {
		files, err := checkpointFiles(path)
		if err != nil || len(files) == 0 {
			return nil, err
		}
		path = files[len(files)-1]
	}
	last, err := readCheckpoint(path, c.signer.Public())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w; a ledger with a new key goes on at another place: move what is there away, or name another with --checkpoint", err)
	}
	return &last, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkpointFiles are the checkpoints in a folder, by size.
func checkpointFiles(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoints: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), checkpointSuffix) && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = filepath.Join(folder, name)
	}
	return names, nil
}

// readCheckpoint reads a checkpoint from a file; with keys, one of them must have signed it.
func readCheckpoint(path string, keys ...string) (ledger.Checkpoint, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("reading a checkpoint: %w", err)
	}
	c, err := ledger.ReadCheckpoint(text, keys...)
	if c.From = filepath.Base(path); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// readCheckpoints reads checkpoints from files, and all of those in folders. Public keys come from files too; without any nobody
// looks at signatures, which is said.
func (a *app) readCheckpoints(paths, keyFiles []string) ([]ledger.Checkpoint, error) {
	keys, err := readPublicKeys(keyFiles)
	if err != nil {
		return nil, err
	}
	var all []ledger.Checkpoint
	for _, path := range paths {
		files := []string{path}
		if isFolder(path) {
			if files, err = checkpointFiles(path); err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("there is no checkpoint in the folder %s", path)
			}
		}
		for _, file := range files {
			c, err := readCheckpoint(file, keys...)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	if len(all) > 0 && len(keys) == 0 {
		a.say("No public key was named (--key): who signed the checkpoint was not looked at.")
	}
	return all, nil
}

// readPublicKeys reads the files that `tenure ledger key` writes for auditors.
func readPublicKeys(files []string) ([]string, error) {
	var keys []string
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("reading a public key: %w", err)
		}
		keys = append(keys, strings.TrimSpace(string(text)))
	}
	return keys, nil
}

// writeOpenly writes a file that everybody may read.
func writeOpenly(path string, text []byte) error {
	err := writeFile(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err == nil {
		err = os.Chmod(path, 0o644) //nolint:gosec // it is for everybody
	}
	return err
}
