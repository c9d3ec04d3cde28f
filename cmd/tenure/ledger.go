package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

var (
	_ jobs.LedgerStore = (*storage.DB)(nil)
	_ ledger.Source    = (*storage.Snapshot)(nil)
	_ ledger.Book      = (*storage.Snapshot)(nil)
)

type ledgerCmd struct {
	Key         ledgerKeyCmd         `cmd:"" help:"Make the pair of keys that checkpoints are signed with and checked by."`
	Show        ledgerShowCmd        `cmd:"" help:"How many events are logged, and the root of the tree over them."`
	Append      ledgerAppendCmd      `cmd:"" help:"Log the events that wait, where no scheduler runs that does."`
	Checkpoint  ledgerCheckpointCmd  `cmd:"" help:"Print the head of the ledger as a checkpoint, signed where a key is named."`
	Consistency ledgerConsistencyCmd `cmd:"" help:"Show that the ledger continues an earlier checkpoint."`
	Prove       ledgerProveCmd       `cmd:"" help:"Write the history of one relationship with the proof that it was logged, for somebody without the database."`
	Check       ledgerCheckCmd       `cmd:"" help:"Check such a proof. Needs no database."`
}

type ledgerKeyCmd struct {
	Out  string `required:"" placeholder:"FILE" help:"Where the private key goes; the public one goes beside it, with .pub behind the name."`
	Name string `placeholder:"ORIGIN" default:"tenure" help:"Name of the deployment, which stands in every checkpoint, such as tenure.example.com/production (default: ${default})."`
}

func (c *ledgerKeyCmd) Run(a *app) error {
	private, public, err := ledger.NewKey(c.Name)
	if err != nil {
		return usageError("--name: %w", err)
	}
	if err := writeNew(c.Out, private+"\n", 0o600); err != nil {
		return err
	}
	if err := writeNew(c.Out+".pub", public+"\n", 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s signs: keep it with tenure, and nowhere else\n%s.pub checks: give it to whoever audits\n", c.Out, c.Out)
	return err
}

// writeNew writes a file that must not be there yet: a key that is overwritten is lost.
func writeNew(path, text string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	_, err = io.WriteString(f, text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	return nil
}

// openLedger opens the ledger as it is at one moment, which has to be closed, and says how far it has come.
func (a *app) openLedger() (*storage.Snapshot, lifecycle.LedgerHead, error) {
	db, err := a.openForReading()
	if err != nil {
		return nil, lifecycle.LedgerHead{}, err
	}
	s, err := db.Snapshot(a.ctx)
	if err != nil {
		return nil, lifecycle.LedgerHead{}, err
	}
	head, err := s.LedgerHead(a.ctx)
	if err != nil {
		return nil, head, errors.Join(err, s.Close())
	}
	return s, head, nil
}

type ledgerShowCmd struct{ outputFlag }

func (c *ledgerShowCmd) Run(a *app) error {
	s, head, err := a.openLedger()
	if err != nil {
		return err
	}
	defer s.Close()
	size, err := s.LedgerSize(a.ctx)
	if err != nil {
		return err
	}
	root := tlog.Hash(head.Root).String()
	return printRecord(a, c.Output, [][2]string{{"logged", count(head.Size)}, {"waiting", count(size.Waiting)}, {"root", root}}, struct {
		Logged  int64  `json:"logged"`
		Waiting int64  `json:"waiting"`
		Root    string `json:"root"`
	}{head.Size, size.Waiting, root})
}

type ledgerAppendCmd struct{}

func (c *ledgerAppendCmd) Run(a *app) error {
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	logged, err := a.sequencer(db).Sequence(a.ctx)
	if err != nil {
		return err
	}
	size, err := db.LedgerSize(a.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s logged; the ledger has %d\n", plural(logged, "event"), size.Logged)
	return err
}

// sequencer gives events their places in the ledger of a database.
func (a *app) sequencer(db *storage.DB) *jobs.Sequencer {
	return &jobs.Sequencer{Store: db, Grow: ledger.Grow, Wall: wall, Log: a.log()}
}

type ledgerCheckpointCmd struct {
	Out string `placeholder:"FILE" help:"Write it to this file, not to standard output."`
	ledgerKeySetting
}

func (c *ledgerCheckpointCmd) Run(a *app) error {
	signer, err := c.signer()
	if err != nil {
		return err
	}
	s, head, err := a.openLedger()
	if err != nil {
		return err
	}
	defer s.Close()
	text := ledger.Unsigned(head)
	if signer == nil {
		a.say("Nobody has signed this: name a key with --ledger-key-file.")
	} else if text, err = signer.Sign(head); err != nil {
		return fmt.Errorf("signing a checkpoint: %w", err)
	}
	if c.Out != "" {
		return writeOpenly(c.Out, text)
	}
	_, err = a.stdout.Write(text)
	return err
}

// publicKeyFlag is for commands that check signatures.
type publicKeyFlag struct {
	Keys []string `name:"key" sep:"none" placeholder:"FILE" help:"Public key that must have signed the checkpoint; may be given again, then one of them must."`
}

type ledgerConsistencyCmd struct {
	Old string `arg:"" help:"File of the earlier checkpoint, or a folder of them."`
	publicKeyFlag
}

func (c *ledgerConsistencyCmd) Run(a *app) error {
	olds, err := a.readCheckpoints([]string{c.Old}, c.Keys)
	if err != nil {
		return err
	}
	s, head, err := a.openLedger()
	if err != nil {
		return err
	}
	defer s.Close()
	for _, old := range olds {
		if _, err := ledger.Consistency(a.ctx, s, head, old); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.stdout, "the ledger, of size %d, continues %s\n", head.Size, &old); err != nil {
			return err
		}
	}
	return nil
}
