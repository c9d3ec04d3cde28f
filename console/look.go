package console

import (
	"context"
	"net/http"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What is rare among a million is looked for only so far before a page is shown. The page says so, and somebody who looks further gets a page that
// takes longer, goes on where the one before ended, and so in the end comes to everything there is.
const (
	firstLook    = 7_500  // relationships that are looked at for a page which has to come at once
	firstRows    = 30_000 // notices, activities or names, for which nothing else is read
	furtherLook  = 50_000 // that are looked at at a time by whoever looks further
	lookFor      = time.Second
	listPatience = 3 * time.Second // nobody waits longer for one look, and no database works longer
	furtherWord  = "further"       // in an address: whoever follows it can wait
)

// A look is a page of a list, as far as it was looked for.
type look struct {
	Rows    []lifecycle.Listed
	Next    *lifecycle.Listed // behind which the next page begins; nil: there is none, as far as is known
	Further *lifecycle.Listed // up to which was looked, while there is more behind it; nil: to the end, or until the page was full
	patient bool              // whoever looks can wait
}

// A pager says where the other pages of a list are; empty where there is none.
type pager struct{ First, Next, Further string }

// pager makes the addresses: link is that of the list behind a place, with names and values in turn; after is where this page began.
func (l *look) pager(after *lifecycle.Listed, link func(place *lifecycle.Listed, more ...string) string) (p pager) {
	if after != nil {
		p.First = link(nil)
	}
	switch {
	case l.Next != nil && l.patient:
		p.Next = link(l.Next, "look", furtherWord)
	case l.Next != nil:
		p.Next = link(l.Next)
	}
	if l.Further != nil {
		p.Further = link(l.Further, "look", furtherWord)
	}
	return p
}

// isPatient says whether somebody looks further, and can wait.
func (v *visit) isPatient() bool { return v.Request.FormValue("look") == furtherWord }

// look reads a page of so many.
func (v *visit) look(q lifecycle.Listing, size int) (l look, err error) {
	q.Look, l.patient = firstLook, v.isPatient()
	if l.patient {
		q.Look = furtherLook
	}
	for began := v.console.Wall(); ; {
		q.Limit = size + 1 - len(l.Rows)
		found, reached, err := v.lookOnce(q)
		if err != nil {
			return l, err
		}
		if l.Rows = append(l.Rows, found...); len(l.Rows) > size {
			l.Rows, l.Further = l.Rows[:size], nil
			l.Next = &l.Rows[size-1]
			return l, nil
		}
		if l.Further, q.After = reached, reached; reached == nil || !l.patient || v.console.Wall().Sub(began) >= lookFor {
			return l, nil
		}
	}
}

// lookAmong reads a page of so many. ask wants to know where to begin, at most how many are wanted, and among how many they are looked for, and says how many
// it got, and where to go on; nowhere: all was looked at. next is where the next page begins; further, where whoever wants more looks.
func (v *visit) lookAmong(place string, size int, ask func(place string, limit, among int) (got int, next string, err error)) (next, further string, err error) {
	among, patient := firstRows, v.isPatient()
	if patient {
		among = furtherLook
	}
	for began := v.console.Wall(); ; {
		got, goesOn, err := ask(place, size, among)
		if err != nil {
			return "", "", err
		}
		place, size = goesOn, size-got
		switch {
		case place == "":
			return "", "", nil
		case size <= 0:
			return place, "", nil
		case !patient || v.console.Wall().Sub(began) >= lookFor:
			return "", place, nil
		}
	}
}

// lookOnce looks for as long as anybody may wait.
func (v *visit) lookOnce(q lifecycle.Listing) (found []lifecycle.Listed, reached *lifecycle.Listed, err error) {
	ctx, cancel := context.WithTimeout(v.Request.Context(), listPatience)
	defer cancel()
	found, reached, err = v.console.Store.Listed(ctx, q)
	if err != nil && ctx.Err() != nil && v.Request.Context().Err() == nil {
		err = &refusal{http.StatusServiceUnavailable, v.T("relationships.tooLong")}
	}
	return found, reached, err
}
