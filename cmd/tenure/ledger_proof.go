package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
)

type ledgerProveCmd struct {
	ID    string `arg:"" help:"Id of the relationship."`
	Out   string `placeholder:"FILE" help:"Write to this file, not to standard output."`
	Since string `placeholder:"FILE" help:"Earlier checkpoint that whoever checks the proof has: prove that the ledger continues it, too."`
	ledgerSettings
}

func (c *ledgerProveCmd) Run(a *app) error {
	var since *ledger.Checkpoint
	if c.Since != "" {
		old, err := readCheckpoint(c.Since)
		if err != nil {
			return err
		}
		since = &old
	}
	s, head, err := a.openLedger()
	if err != nil {
		return err
	}
	defer s.Close()
	text, at, err := c.at(a, head)
	if err != nil {
		return err
	}
	proof, err := ledger.Prove(a.ctx, s, c.ID, text, at, since)
	if err != nil {
		return err
	}
	if n := len(proof.Waiting); n > 0 {
		a.say("%s was written after %s, and is not proven: take a later one.", plural(int64(n), "event"), &at)
	}
	if c.Out != "" {
		return writeFile(c.Out, proof.Write)
	}
	return proof.Write(a.stdout)
}

// at is the checkpoint that the proof is for: of now, where there is a key to sign it with, else the last one that was written.
func (c *ledgerProveCmd) at(a *app, head lifecycle.LedgerHead) (text []byte, at ledger.Checkpoint, err error) {
	if c.LedgerKeyFile == "" && c.Checkpoint != "" {
		return lastCheckpoint(c.Checkpoint)
	}
	signer, err := c.signer()
	if err != nil {
		return nil, at, err
	}
	if signer == nil {
		a.say("Nobody has signed the checkpoint in this proof: name a key with --ledger-key-file, or a checkpoint with --checkpoint.")
		text = ledger.Unsigned(head)
	} else if text, err = signer.Sign(head); err != nil {
		return nil, at, fmt.Errorf("signing a checkpoint: %w", err)
	}
	at, err = ledger.ReadCheckpoint(text)
	return text, at, err
}

// lastCheckpoint reads the checkpoint in a file, or the latest in a folder.
func lastCheckpoint(path string) (text []byte, c ledger.Checkpoint, err error) {
	if isFolder(path) {
		files, err := checkpointFiles(path)
		if err != nil {
			return nil, c, err
		}
		if len(files) == 0 {
			return nil, c, fmt.Errorf("there is no checkpoint in the folder %s", path)
		}
		path = files[len(files)-1]
	}
	if c, err = readCheckpoint(path); err != nil {
		return nil, c, err
	}
	text, err = os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, c, fmt.Errorf("reading a checkpoint: %w", err)
	}
	return text, c, nil
}

type ledgerCheckCmd struct {
	File       string `arg:"" help:"The proof."`
	Checkpoint string `placeholder:"FILE" help:"Checkpoint that you have from elsewhere: the proof's must be of the same ledger."`
	publicKeyFlag
	outputFlag
}

func (c *ledgerCheckCmd) Run(a *app) error {
	if len(c.Keys) == 0 {
		return usageError("--key FILE: a proof is worth what the signature under it is; name the public key of the deployment")
	}
	keys, err := readPublicKeys(c.Keys)
	if err != nil {
		return err
	}
	var other *ledger.Checkpoint
	if c.Checkpoint != "" {
		o, err := readCheckpoint(c.Checkpoint, keys...)
		if err != nil {
			return err
		}
		other = &o
	}
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("reading a proof: %w", err)
	}
	defer f.Close()
	proof, err := ledger.ReadProof(f)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	at, texts, err := proof.Check(keys, other)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if err := c.print(a, proof, texts); err != nil {
		return err
	}
	a.say("%s of relationship %s: proven to be among the first %d that %s logged.", plural(int64(len(texts)), "event"), proof.Relationship, at.Size, at.Origin)
	if n := len(proof.Waiting); n > 0 {
		return partial("%s more in the file, written after the checkpoint, and not proven", plural(int64(n), "event"))
	}
	return nil
}

func (c *ledgerCheckCmd) print(a *app, proof *ledger.Proof, texts []ledger.LeafText) error {
	type provenEvent struct {
		Leaf int64 `json:"leaf"`
		ledger.LeafText
	}
	events := make([]provenEvent, len(texts))
	for i, text := range texts {
		events[i] = provenEvent{proof.Events[i].Leaf, text}
	}
	header := table.Row{"leaf", "effective", "recorded", "event", "status", "by"}
	return printRecords(a, c.Output, header, events, func(e provenEvent) table.Row {
		by := []string{e.Actor}
		for _, more := range []string{e.Rule, e.Caller} {
			if more != "" {
				by = append(by, more)
			}
		}
		return table.Row{e.Leaf, shortInstant(e.Effective), shortInstant(e.Recorded), e.Type, orDash(e.To), strings.Join(by, " ")}
	}, func(e provenEvent) any { return e })
}

// shortInstant writes an instant of a leaf as all tables do.
func shortInstant(text string) string {
	t, err := lifecycle.ParseInstant(text)
	if err != nil {
		return orDash(text)
	}
	return instant(t)
}
