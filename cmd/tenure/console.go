package main

import (
	"net/http"

	"github.com/tenure-dev/tenure/console"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
)

// console makes the pages that operators look at, behind the door of the HTTP interface.
func (a *app) console(w *works, looks *lookout, queues *jobs.Inspector) func(door *httpapi.Server) (http.Handler, error) {
	return func(door *httpapi.Server) (http.Handler, error) {
		return console.New(console.Options{Store: w.db, Door: door, Policy: w.policy, Condition: looks.condition, Queues: queues, Now: w.sweeper.Now, Wall: wall,
			Logger: w.log, Version: version})
	}
}
