package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// heldLines are what there is to say of a sweep that is, or was, held, or that somebody let through.
func heldLines(s *lifecycle.Sweep) (lines [][2]string) {
	if s.Plan != nil {
		lines = append(lines, [2]string{"held because", s.Plan.Why()})
		for _, rule := range s.Fires() {
			n, limit := s.Plan.Records[rule], ""
			if most, limited := s.Plan.Limits[rule]; limited {
				limit = fmt.Sprintf("; its breaker lets %d through", most)
			}
			if n > 0 {
				lines = append(lines, [2]string{string(rule), fmt.Sprintf("would change %d of %s%s", n, plural(s.Plan.Population, "relationship"), limit)})
			}
		}
		lines = append(lines, [2]string{"would send", plural(s.Plan.Notices, "notice")})
	}
	if s.Ruling == nil {
		return lines
	}
	word := "approved"
	if s.State == lifecycle.SweepRefused {
		word = "rejected"
	}
	return append(lines, [2]string{word, fmt.Sprintf("%s, by %s", instant(s.Ruling.At), s.Ruling.By)}, [2]string{"reason", s.Ruling.Note})
}

// reportHeld says which sweeps of the rules wait for an operator's word, and what to type next; nil where none does. No rules are all.
func (a *app) reportHeld(db *storage.DB, rules []lifecycle.RuleName) error {
	hold, still, err := db.Standstill(a.ctx)
	if err != nil {
		return err
	}
	if still {
		return partial("everything is on hold since %s, and nothing was changed: %s\nLook with `tenure quarantine`; if all is as it should be, type\n"+
			"  tenure quarantine release --reason TEXT", instant(hold.PlacedAt), hold.Note)
	}
	held, err := db.HeldSweeps(a.ctx)
	if err != nil {
		return err
	}
	var texts []string
	asked := lifecycle.FiredBy(rules)
	for i := range held {
		if slices.ContainsFunc(held[i].Fires(), func(r lifecycle.RuleName) bool { return slices.Contains(asked, r) }) {
			texts = append(texts, heldText(&held[i]))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return partial("%s", strings.Join(texts, "\n"))
}

func heldText(s *lifecycle.Sweep) string {
	text := fmt.Sprintf("sweep %d is held, and what it would do is not done", s.ID)
	if s.Plan != nil {
		text += fmt.Sprintf(": %s\n  %s", s.Plan.Why(), s.Plan.Text(s.Fires()))
	}
	return text + fmt.Sprintf("\nLook with `tenure sweeps show %d`, then type one of\n"+
		"  tenure sweeps approve %d --reason TEXT   it does that\n"+
		"  tenure sweeps reject %d --reason TEXT    it never will, and %s is paused\n"+
		"  tenure sweeps cancel %d                  something was wrong and is put right: the next sweep looks anew",
		s.ID, s.ID, s.ID, rulesText(*s), s.ID)
}

type sweepsApproveCmd struct {
	ID     int64  `arg:"" help:"Id of the sweep."`
	Reason string `aliases:"note" required:"" placeholder:"TEXT" help:"Why; it is kept with the sweep, and in the history."`
	outputFlag
	sendingSettings
}

func (c *sweepsApproveCmd) Run(a *app) error {
	if err := lifecycle.CheckNote(c.Reason); err != nil {
		return usageError("--reason: %w", err)
	}
	mail, err := a.mailing(&c.sendingSettings)
	if err != nil {
		return err
	}
	db, err := a.openForWriting(false)
	if err != nil {
		return err
	}
	w, err := a.handWorks(db, mail)
	if err != nil {
		return err
	}
	if err := w.guard.Look(a.ctx, false); err != nil {
		return err
	}
	sent, err := a.beginSending(db, mail)
	if err != nil {
		return err
	}
	if err := w.sweeper.ApproveSweep(a.ctx, c.ID, c.Reason, *a.caller()); err != nil {
		return aboutHeld(err)
	}
	bar := newProgress(a.stderr, "sweeping")
	sweep, err := w.sweeper.See(a.ctx, lifecycle.Sweep{ID: c.ID}, bar.sweep)
	bar.end()
	if err != nil {
		return err
	}
	if err := w.afterSweep(a); err != nil {
		return err
	}
	return errors.Join(a.reportSweep(db, sweep, c.Output), sent.report(a))
}

type sweepsRejectCmd struct {
	ID     int64  `arg:"" help:"Id of the sweep."`
	Reason string `aliases:"note" required:"" placeholder:"TEXT" help:"Why; it is kept with the sweep, and becomes the note of the holds."`
}

func (c *sweepsRejectCmd) Run(a *app) error {
	if err := lifecycle.CheckNote(c.Reason); err != nil {
		return usageError("--reason: %w", err)
	}
	db, now, err := a.openWithClock()
	if err != nil {
		return err
	}
	if err := db.RejectSweep(a.ctx, c.ID, c.Reason, *a.caller(), now(), wall()); err != nil {
		return aboutHeld(err)
	}
	sweep, err := db.Sweep(a.ctx, c.ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Sweep %d is rejected. Paused until `tenure rules resume RULE --note TEXT`: %s\n", c.ID,
		strings.Join(namesOf(sweep.Rejects()), ", "))
	return err
}

// aboutHeld says what there is to do where an operator's word was about a sweep that does not wait for it.
func aboutHeld(err error) error {
	if errors.Is(err, lifecycle.ErrNotFound) || errors.Is(err, lifecycle.ErrNotHeld) {
		return fmt.Errorf("%w; `tenure sweeps list` shows the held ones first", err)
	}
	return err
}
