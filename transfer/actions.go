package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A TimedAction is what somebody asked for at some instant, as a file of actions says it.
type TimedAction struct {
	Line           int
	Raw            string // the record as it was written, on one line, to be written out again where it is refused
	At             time.Time
	RelationshipID string
	Kind           lifecycle.ActionKind
	By             lifecycle.Actor

	AutoExtendDuration string // as it was written; only setAutoExtend has a use for it
}

// Action is the action as policy p sees it. The fault, if any, is that of its autoExtendDuration: the action was understood,
// and is to be refused.
func (a *TimedAction) Action(p *lifecycle.Policy) (lifecycle.Action, *lifecycle.Fault) {
	action := lifecycle.Action{Kind: a.Kind, By: a.By}
	if a.Kind != lifecycle.SetAutoExtend {
		return action, nil
	}
	fault := lifecycle.Fault{Field: "autoExtendDuration", Value: a.AutoExtendDuration}
	if a.AutoExtendDuration == "" {
		fault.Reason = fmt.Sprintf("is missing; write %s (on) or PT0S (off)", p.AutoExtendDuration(true))
		return action, &fault
	}
	on, err := p.ParseAutoExtend(a.AutoExtendDuration)
	if err != nil {
		fault.Reason = err.Error()
		return action, &fault
	}
	action.AutoExtend = on
	return action, nil
}

// A wireAction is an action as JSON writes it.
type wireAction struct {
	At                 string `json:"at"`
	RelationshipID     string `json:"relationshipId"`
	Action             string `json:"action"`
	AutoExtendDuration string `json:"autoExtendDuration"`
	By                 string `json:"by"`
}

// ReadActions reads a file of actions, one JSON object per line, in the order of the file; it keeps them all in memory. stdin
// is what the name "-" stands for. A line that is not an action is a fault; the error is a *[FileError] where the file cannot
// be used at all, or ctx's.
func ReadActions(ctx context.Context, file string, stdin io.Reader) (actions []TimedAction, faults []FileFault, err error) {
	s, err := openSource(ctx, file, stdin, "")
	if err != nil {
		return nil, nil, err
	}
	in, err := s.open()
	if err == nil {
		actions, faults, err = readActions(s.name, seekUntil{until(ctx, in), in})
		err = errors.Join(err, in.Close())
	}
	return actions, faults, errors.Join(err, s.close())
}

func readActions(file string, in io.ReadSeeker) (actions []TimedAction, faults []FileFault, err error) {
	r, err := NewReader(file, in, true)
	if err != nil {
		return nil, nil, err
	}
	if r.Shape() == ShapeCSV {
		return nil, nil, &FileError{File: file, Why: "is a CSV", Next: "give actions as NDJSON, one object per line"}
	}
	for {
		item, err := r.Next()
		var broken *Broken
		switch {
		case errors.Is(err, io.EOF):
			return actions, faults, nil
		case errors.As(err, &broken):
			return actions, append(faults, newFileFault(file, broken.Line, "", lifecycle.Fault{Reason: broken.Error()})), nil
		case err != nil:
			return actions, faults, inFile(file, err)
		}
		action, wrong := readAction(item)
		for _, f := range wrong {
			faults = append(faults, newFileFault(file, item.Line, action.RelationshipID, f))
		}
		if len(wrong) == 0 {
			actions = append(actions, action)
		}
	}
}

// readAction understands a record as an action. It finds every fault at once.
func readAction(item Item) (TimedAction, []lifecycle.Fault) {
	if item.Fault != nil {
		return TimedAction{}, []lifecycle.Fault{*item.Fault}
	}
	var w wireAction
	if err := json.Unmarshal(item.Text, &w); err != nil {
		return TimedAction{}, []lifecycle.Fault{typeFault(err)}
	}
	var faults []lifecycle.Fault
	fault := func(field, value, reason string) {
		faults = append(faults, lifecycle.Fault{Field: field, Value: value, Reason: reason})
	}
	a := TimedAction{Line: item.Line, Raw: onOneLine(item.Text), RelationshipID: lifecycle.CanonicalID(w.RelationshipID),
		Kind: lifecycle.ActionKind(w.Action), By: lifecycle.Actor(w.By), AutoExtendDuration: w.AutoExtendDuration}
	at, err := lifecycle.ParseInstant(w.At)
	switch {
	case w.At == "":
		fault("at", "", "is missing; write it like 2026-01-31T09:00:00Z")
	case err != nil:
		fault("at", w.At, err.Error())
	}
	a.At = lifecycle.Instant(at)
	if w.RelationshipID == "" {
		fault("relationshipId", "", "is missing")
	}
	if !slices.Contains(lifecycle.ActionKinds, a.Kind) {
		fault("action", w.Action, "is not an action; it is one of "+joined(lifecycle.ActionKinds))
	}
	if a.By != lifecycle.Partner && a.By != lifecycle.Customer {
		fault("by", w.By, "must be partner or customer")
	}
	return a, faults
}

func joined(kinds []lifecycle.ActionKind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// onOneLine is JSON without its line ends.
func onOneLine(text []byte) string {
	if !bytes.ContainsAny(text, "\r\n") {
		return string(text)
	}
	var b bytes.Buffer
	_ = json.Compact(&b, text) // the reader has found it valid
	return b.String()
}
