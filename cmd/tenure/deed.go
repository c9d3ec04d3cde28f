package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// did keeps what was done here, at the terminal, beside what is asked over HTTP; see `GET /v1/deeds`. What was done stays done where that
// fails, and the error says so.
func (a *app) did(db *storage.DB, what, subject string, details ...string) error {
	now, err := a.clock(db)
	if err == nil {
		err = db.RecordDeed(a.ctx, lifecycle.Deed{At: now(), By: *a.caller(), What: what, Subject: subject, Status: http.StatusOK, Detail: strings.Join(details, ": ")})
	}
	if err != nil {
		return fmt.Errorf("it is done, but nobody will find it in the log of what operators did: %w", err)
	}
	return nil
}
