package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

type statusCmd struct {
	Quiet bool `short:"q" help:"Print the verdict only, in one line."`
	schedulerSettings
	outputFlag
}

func (c *statusCmd) Run(a *app) error {
	schedules, err := c.schedules()
	if err != nil {
		return err
	}
	policy, err := readPolicy(a.Policy)
	if err != nil {
		return err
	}
	queue, err := a.lookAtQueue()
	if err != nil {
		return err
	}
	condition := a.conditionFromOutside(&lookout{policy: policy, beats: schedules.Beats(wall()), queue: queue})
	concerns := condition.Concerns(policy)
	switch {
	case c.Quiet:
		_, err = fmt.Fprintln(a.stdout, lifecycle.Verdict(concerns))
	case c.Output == "table":
		_, err = fmt.Fprint(a.stdout, statusScreen(&condition, policy))
	default:
		err = printRecord(a, c.Output, nil, httpapi.ShowStatus(&condition, policy))
	}
	if err == nil && len(concerns) > 0 {
		err = silentError{exitFailed}
	}
	return err
}

// A silentError is an exit code alone: what there is to say stands in the output.
type silentError struct{ code int }

func (silentError) Error() string { return "" }

// A lookout tells how the deployment fares.
type lookout struct {
	db     *storage.DB
	policy *lifecycle.Policy
	beats  jobs.Beats
	now    func() time.Time // the deployment's clock
	queue  queueProbe
}

// A queueProbe asks the queue whether it is there. The zero probe asks nobody: the queue is inside of another process.
type queueProbe struct {
	name string
	ping func(context.Context) error
}

// lookPatience is how long the database, or the queue, may take.
const lookPatience = 5 * time.Second

// lookoutOf tells of the process that it is part of.
func (a *app) lookoutOf(w *works, schedules jobs.Schedules, client redis.UniversalClient) *lookout {
	name := "in-process"
	if a.Redis != "" {
		name = maskPassword(a.Redis)
	}
	return &lookout{db: w.db, policy: w.policy, beats: schedules.Beats(wall()), now: w.sweeper.Now,
		queue: queueProbe{name, func(ctx context.Context) error { return client.Ping(ctx).Err() }}}
}

// lookAtQueue is the probe of the Redis that the settings name.
func (a *app) lookAtQueue() (queueProbe, error) {
	if a.Redis == "" {
		return queueProbe{}, nil
	}
	client, err := a.redisClient()
	if err != nil {
		return queueProbe{}, err
	}
	a.opened = append(a.opened, client)
	return queueProbe{maskPassword(a.Redis), func(ctx context.Context) error { return client.Ping(ctx).Err() }}, nil
}

// conditionFromOutside looks beside whoever is running. A database that cannot be opened is a finding, too.
func (a *app) conditionFromOutside(l *lookout) lifecycle.Condition {
	var err error
	if l.db, err = a.openForReading(); err == nil {
		l.now, err = a.clock(l.db)
	}
	if err != nil {
		now := wall()
		c := lifecycle.Condition{At: now, Wall: now, Version: version, Database: lifecycle.Dependency{Name: maskPassword(a.DB), Fault: flatText(err)}}
		c.Queue = l.queue.look(a.ctx)
		return c
	}
	return l.condition(a.ctx)
}

// condition looks at everything. What does not answer is part of the answer.
func (l *lookout) condition(ctx context.Context) lifecycle.Condition {
	c := l.lookAtDatabase(ctx)
	c.Version = version
	l.beats.Set(&c)
	c.Queue = l.queue.look(ctx)
	return c
}

func (l *lookout) lookAtDatabase(ctx context.Context) lifecycle.Condition {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	begun := wall()
	c := lifecycle.Condition{At: begun, Wall: begun, Database: lifecycle.Dependency{Name: "database"}}
	err := l.db.Ping(ctx)
	took := wall().Sub(begun)
	if err == nil {
		c, err = l.db.Condition(ctx, l.policy, l.now(), begun)
	}
	c.Database.Took = took
	if err != nil {
		c.Database.Fault = flatText(err)
	}
	return c
}

func (q queueProbe) look(ctx context.Context) lifecycle.Dependency {
	if q.ping == nil {
		return lifecycle.Dependency{}
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	begun := wall()
	err := q.ping(ctx)
	d := lifecycle.Dependency{Name: q.name, Took: wall().Sub(begun)}
	if err != nil {
		d.Fault = flatText(err)
	}
	return d
}

// flatText is what an error says, on one line.
func flatText(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", lookPatience)
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
