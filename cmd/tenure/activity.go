package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type activityCmd struct {
	Relationship string   `placeholder:"ID" help:"Only what is about this relationship."`
	Types        []string `name:"type" placeholder:"EVENT" help:"Only this event, e.g. approved; may be given again."`
	Actors       []string `name:"actor" placeholder:"WHO" help:"Only what was done by the partner, customer, system, import or provisioner; may be given again."`
	Caller       string   `placeholder:"NAME" help:"Only what the bearer of this token asked for, or this user of a terminal (cli:NAME)."`
	Tenant       string   `placeholder:"ID" help:"Only what callers of this tenant asked for."`
	Request      string   `placeholder:"ID" help:"Only what this HTTP request did."`
	Since        string   `placeholder:"INSTANT" help:"Only what was recorded then or later."`
	Before       string   `placeholder:"INSTANT" help:"Only what was recorded earlier."`
	Refused      bool     `help:"Only what somebody asked for and did not get."`
	After        string   `placeholder:"PLACE" help:"Go on after this place in the list."`
	Limit        int      `short:"l" help:"At most this many, the latest first (default: 100 in a table, else all of it, the oldest first)."`
	Output       string   `short:"o" env:"TENURE_OUTPUT" enum:"table,json,ndjson,csv" default:"table" help:"table, json, ndjson or csv (default: ${default})."`
}

func (c *activityCmd) Run(a *app) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	db, err := a.openForReading()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(a.stdout)
	switch c.Output {
	case "json":
		err = writeActivityArray(a, db, query, out)
	case "ndjson":
		err = db.EachActivity(a.ctx, query, func(e lifecycle.Event) error { return writeJSON(out, httpapi.ShowActivity(&e, nil), "") })
	case "csv":
		err = writeActivityCSV(a, db, query, out)
	default:
		return c.printTable(a, db, query)
	}
	if err == nil {
		err = out.Flush()
	}
	return err
}

// latestActivities is how many of them a table shows.
const latestActivities = 100

// query reads the filters, and finds everything that is wrong with them at once.
func (c *activityCmd) query() (lifecycle.ActivityQuery, error) {
	q := lifecycle.ActivityQuery{Relationship: lifecycle.CanonicalID(c.Relationship), Caller: c.Caller, Tenant: strings.ToLower(c.Tenant), Request: c.Request, Limit: c.Limit}
	var faults []error
	for _, name := range c.Types {
		if !slices.Contains(lifecycle.EventTypes, lifecycle.EventType(name)) {
			faults = append(faults, usageError("--type %q is no event; the events are %v", name, lifecycle.EventTypes))
		}
		q.Types = append(q.Types, lifecycle.EventType(name))
	}
	for _, name := range c.Actors {
		if !slices.Contains(lifecycle.Actors, lifecycle.Actor(name)) {
			faults = append(faults, usageError("--actor %q: it is %s", name, choice(lifecycle.Actors)))
		}
		q.Actors = append(q.Actors, lifecycle.Actor(name))
	}
	if c.Refused {
		if len(c.Types) > 0 {
			faults = append(faults, usageError("--refused and --type are both about the event; give one of them"))
		}
		q.Types = []lifecycle.EventType{lifecycle.EventRefused}
	}
	if c.Tenant != "" && !lifecycle.IsGUID(c.Tenant) {
		faults = append(faults, usageError("--tenant %q is not a GUID", c.Tenant))
	}
	if c.After != "" {
		var err error
		if q.After, err = lifecycle.ParseActivityPosition(c.After); err != nil {
			faults = append(faults, usageError("--after %q %w; take it from what a page said at its end", c.After, err))
		}
	}
	if c.Limit < 0 {
		faults = append(faults, atLeastOne(c.Limit))
	}
	var sinceErr, beforeErr error
	if c.Since != "" {
		q.Since, sinceErr = parseInstant("--since", c.Since)
	}
	if c.Before != "" {
		q.Before, beforeErr = parseInstant("--before", c.Before)
	}
	if c.Limit == 0 {
		if q.OldestFirst = c.Output != "table"; !q.OldestFirst {
			q.Limit = latestActivities
		}
	}
	return q, errors.Join(append(faults, sinceErr, beforeErr)...)
}

func (c *activityCmd) printTable(a *app, db *storage.DB, query lifecycle.ActivityQuery) error {
	events, err := db.Activity(a.ctx, query)
	if err != nil {
		return err
	}
	t := newTable()
	t.AppendHeader(table.Row{"recorded", "event", "by", "what", "relationship"})
	for _, e := range events {
		t.AppendRow(table.Row{instant(e.Recorded.Truncate(time.Second)), e.Type, byText(&e), orDash(whatText(&e)), orDash(aboutText(&e))})
	}
	if err := t.writeTo(a.stdout); err != nil {
		return err
	}
	if len(events) == query.Limit {
		a.say("There may be more: --limit, or --after %s", events[len(events)-1].Position())
	}
	return nil
}

// byText is who did it: their name where it is known, otherwise on whose behalf.
func byText(e *lifecycle.Event) string {
	if e.By != nil && e.By.Name != "" {
		return e.By.Name
	}
	return string(e.Actor)
}

// whatText says what the type of an event leaves open.
func whatText(e *lifecycle.Event) string {
	const longest = 60
	var parts []string
	for _, part := range []string{e.Action, string(e.Reason), e.Detail} {
		if part != "" && !slices.Contains(parts, part) && part != string(e.Type) {
			parts = append(parts, part)
		}
	}
	text := []rune(strings.Join(parts, ": "))
	if len(text) > longest {
		return string(text[:longest-1]) + "…"
	}
	return string(text)
}

// aboutText is what it was about: a relationship, or what a refused caller took for one.
func aboutText(e *lifecycle.Event) string {
	if e.RelationshipID == "" {
		return e.Subject
	}
	return e.RelationshipID
}

// writeActivityArray writes one JSON array, an activity a line, without holding all of them.
func writeActivityArray(a *app, db *storage.DB, query lifecycle.ActivityQuery, w io.Writer) error {
	before := "["
	err := db.EachActivity(a.ctx, query, func(e lifecycle.Event) error {
		if _, err := io.WriteString(w, before); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
		before = ","
		return writeJSON(w, httpapi.ShowActivity(&e, nil), "")
	})
	if err != nil {
		return err
	}
	if before == "[" {
		_, err = io.WriteString(w, "[")
	}
	if err == nil {
		_, err = io.WriteString(w, "]\n")
	}
	return err
}

func writeActivityCSV(a *app, db *storage.DB, query lifecycle.ActivityQuery, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(httpapi.ActivityColumns); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	err := db.EachActivity(a.ctx, query, func(e lifecycle.Event) error {
		shown := httpapi.ShowActivity(&e, nil)
		return out.Write(httpapi.ActivityRow(&shown))
	})
	out.Flush()
	return errors.Join(err, out.Error())
}
