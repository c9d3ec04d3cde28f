package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tenure-dev/tenure/console"
	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

// console makes the pages that operators look at, behind the door of the HTTP interface.
func (a *app) console(w *works, looks *lookout, queues *jobs.Inspector, publicURL string) func(door *httpapi.Server) (http.Handler, error) {
	return func(door *httpapi.Server) (http.Handler, error) {
		return console.New(console.Options{Store: w.db, Door: door, Policy: w.policy, Condition: looks.condition, Queues: queues, Now: w.sweeper.Now, Wall: wall,
			Logger: w.log, Version: version, PublicURL: publicURL, Prospect: outlooks{w.db, w.policy, w.sweeper.Now}.prospect,
			Written: func(f lifecycle.Filter) string { return odata.Format(f, w.policy) }})
	}
}

// prospect is what the console shows of the time ahead.
func (o outlooks) prospect(ctx context.Context, until time.Time) (console.Prospect, error) {
	plan, err := o.look(ctx, until, nil, "")
	if err != nil {
		return console.Prospect{}, err
	}
	p := console.Prospect{Held: plan.Held, Waiting: plan.Waiting, Failed: plan.Failed}
	for _, day := range plan.InOrder() {
		sum := plan.Days[day]
		p.Days = append(p.Days, console.ProspectDay{Day: day.Date, Rule: day.Rule, Times: sum.Times, Told: sum.Told})
	}
	return p, nil
}
