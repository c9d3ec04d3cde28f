package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/httpapi"
	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

// The settings of the parts that a role may run.
type (
	schedulerSettings struct {
		Schedule map[string]string `env:"TENURE_SCHEDULE" placeholder:"RULE=CRON" mapsep:";" help:"When a rule's records are looked at, in cron's five fields, UTC; \"off\" switches it off. May be given again for another rule."`
	}
	keepingSettings struct {
		KeepDeeds string `env:"TENURE_KEEP_DEEDS" placeholder:"PERIOD" default:"P2Y" help:"How long what people asked of the deployment is kept, such as who signed in (default: ${default}); PT0S: for ever."`
	}
	workerSettings struct {
		Concurrency int `env:"TENURE_CONCURRENCY" default:"2" help:"Chunks that this process writes at a time; it reads ahead (default: ${default})."`
	}
)

type (
	serveCmd struct {
		schedulerSettings
		keepingSettings
		ledgerSettings
		workerSettings
		apiSettings
		sendingSettings
		watchSettings
	}
	workerCmd struct {
		workerSettings
		sendingSettings
		watchSettings
	}
	schedulerCmd struct {
		schedulerSettings
		keepingSettings
		ledgerSettings
		sendingSettings
		watchSettings
	}
	apiCmd struct {
		schedulerSettings // of the schedulers beside it, for those who ask when they tick
		apiSettings
		subscriptionSettings
		watchSettings
	}
)

func (c *serveCmd) Run(a *app) error {
	return a.runRoles(roles{name: "serve", scheduler: &c.schedulerSettings, keeping: &c.keepingSettings, ledger: &c.ledgerSettings, worker: &c.workerSettings, api: &c.apiSettings,
		subscriptions: &c.subscriptionSettings, sending: &c.sendingSettings, watch: &c.watchSettings})
}

func (c *workerCmd) Run(a *app) error {
	return a.runRoles(roles{name: "worker", worker: &c.workerSettings, sending: &c.sendingSettings, watch: &c.watchSettings})
}

func (c *schedulerCmd) Run(a *app) error {
	return a.runRoles(roles{name: "scheduler", scheduler: &c.schedulerSettings, keeping: &c.keepingSettings, ledger: &c.ledgerSettings, sending: &c.sendingSettings, watch: &c.watchSettings})
}

func (c *apiCmd) Run(a *app) error {
	return a.runRoles(roles{name: "api", ticks: &c.schedulerSettings, api: &c.apiSettings, subscriptions: &c.subscriptionSettings, watch: &c.watchSettings})
}

// roles are the parts that a process runs; a nil one is not its concern.
type roles struct {
	name      string
	scheduler *schedulerSettings
	worker    *workerSettings
	api       *apiSettings
	sending   *sendingSettings
	watch     *watchSettings // of every role

	ticks         *schedulerSettings    // of the schedulers beside api
	ledger        *ledgerSettings       // beside scheduler
	keeping       *keepingSettings      // the same
	subscriptions *subscriptionSettings // beside api
}

// alone says whether the process runs every part, so that it needs nobody else.
func (r roles) alone() bool { return r.scheduler != nil && r.worker != nil && r.api != nil }

// check finds everything that is wrong with the settings before anything is opened.
func (r roles) check(a *app) (jobs.Schedules, mailing, error) {
	var faults []error
	if r.worker != nil && r.worker.Concurrency < 1 {
		faults = append(faults, usageError("--concurrency %d: at least 1", r.worker.Concurrency))
	}
	if r.api != nil {
		faults = append(faults, r.api.faults()...)
	}
	if r.ledger != nil {
		_, err := r.ledger.checkpoints()
		faults = append(faults, err)
	}
	if r.keeping != nil {
		_, err := r.keeping.period()
		faults = append(faults, err)
	}
	faults = append(faults, r.watch.faults()...)
	schedules, scheduleErr := cmp.Or(r.scheduler, r.ticks).schedules()
	mail, mailErr := r.mailing(a)
	return schedules, mail, errors.Join(append(faults, scheduleErr, mailErr)...)
}

// runRoles runs the parts until a signal comes, then lets them finish what they have begun.
func (a *app) runRoles(r roles) error {
	if !r.alone() && (a.Redis == "" || a.embedded()) {
		return usageError("`tenure %s` is one of several processes, which share PostgreSQL (--db) and Redis (--redis); "+
			"for everything in one process run `tenure serve`", r.name)
	}
	schedules, mail, err := r.check(a)
	if err != nil {
		return err
	}
	traces, err := a.startTracing(&r.watch.tracingSettings, r.name)
	if err != nil {
		return err
	}
	a.opened = append(a.opened, traces)
	db, err := a.openForWriting(r.alone())
	if err != nil {
		return err
	}

	// The queue must outlive the parts that drain into it.
	background, endQueue := context.WithCancel(context.WithoutCancel(a.ctx))
	defer endQueue()
	client, err := a.openQueue(background)
	if err != nil {
		return err
	}
	registry, metrics, err := r.metrics(db, client, mail.policy)
	if err != nil {
		return err
	}
	w, err := a.assembleRoles(db, mail, r, client, metrics, traces.tracer)
	if err != nil {
		return err
	}
	server, listener, err := a.openAPI(w, r, mail, schedules, client, registry)
	if err != nil {
		return err
	}
	doors, err := a.openSideDoors(r.watch, registry)
	if err != nil {
		return err
	}
	w.log.Info("tenure is running", "role", r.name, "version", version, "database", maskPassword(a.DB), "queue", queueName(a.Redis), "channels", mail.shown())
	group, ctx := errgroup.WithContext(a.ctx)
	if listener != nil {
		group.Go(func() error { return server.Serve(ctx, listener) })
	}
	for _, door := range doors {
		w.log.Info("listening", "for", door.name, "address", door.listener.Addr().String())
		group.Go(func() error { return door.serve(ctx) })
	}
	afterLook := a.watchOver(ctx, group, r, a.guard(w, client))
	if r.worker != nil {
		if !r.alone() {
			ofWorker(r.worker.Concurrency).allow()
		}
		worker := &jobs.Worker{Sweeper: w.sweeper, Courier: w.courier, Concurrency: r.worker.Concurrency, Log: w.log}
		group.Go(afterLook(func() error { return worker.Run(ctx, client) }))
		group.Go(afterLook(func() error { return w.bulk.Run(ctx) }))
	}
	if r.worker != nil || r.scheduler != nil {
		group.Go(afterLook(func() error { return w.provisioning.Run(ctx) }))
	}
	if r.scheduler != nil {
		keep, err := r.keeping.period()
		if err != nil {
			return err
		}
		scheduler := &jobs.Scheduler{Sweeper: w.sweeper, Schedules: schedules, KeepDeeds: keep, Log: w.log,
			Watchdog: &jobs.Watchdog{Sweeper: w.sweeper, Courier: w.courier, Log: w.log}}
		group.Go(afterLook(func() error { return scheduler.Run(ctx) }))
		group.Go(func() error { return w.sequencer.Run(ctx) })
	}
	err = group.Wait()
	w.log.Info("tenure has stopped", "role", r.name)
	return err
}

// metrics are those of every role, registered; the HTTP interface adds its own.
func (r roles) metrics(db *storage.DB, client redis.UniversalClient, policy *lifecycle.Policy) (*prometheus.Registry, *jobs.Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), jobs.NewQueueCollector(client), db.PoolCollector())
	if r.api == nil {
		registry.MustRegister(httpapi.BuildInfo(version))
	}
	metrics, err := jobs.NewMetrics(registry, policy.Lateness)
	return registry, metrics, err
}

// watchOver looks whether this is the right clock and the latest database before any part does something, and goes on looking. It
// answers with what makes a part wait for the first look.
func (a *app) watchOver(ctx context.Context, group *errgroup.Group, r roles, guard *jobs.Quarantine) func(run func() error) func() error {
	looked := make(chan struct{})
	if r.worker != nil || r.scheduler != nil {
		group.Go(func() error {
			if guard.Begin(ctx, r.scheduler != nil) == nil {
				close(looked)
				guard.Run(ctx)
			}
			return nil
		})
	}
	return func(run func() error) func() error {
		return func() error {
			select {
			case <-looked:
				return run()
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// mailing is what the process sends with; one that does not send has a policy all the same.
func (r roles) mailing(a *app) (mailing, error) {
	if r.sending != nil {
		return a.mailing(r.sending)
	}
	policy, err := readPolicy(a.Policy)
	return mailing{policy: policy}, err
}

func (a *app) assembleRoles(db *storage.DB, mail mailing, r roles, client redis.UniversalClient, metrics *jobs.Metrics, tracer trace.Tracer) (*works, error) {
	now, err := a.clock(db)
	if err != nil {
		return nil, err
	}
	var notifier jobs.Notifier
	if r.sending != nil {
		if notifier, err = mail.open(a, db); err != nil {
			return nil, err
		}
	}
	w, err := a.assemble(db, mail.policy, r.scheduler != nil, jobs.NewQueue(client, wall), notifier, now, metrics)
	if err != nil {
		return nil, err
	}
	w.trace(tracer)
	w.sweeper.Tells = true
	if r.sending != nil {
		w.provisioning.Provisioner, err = mail.provisioner(a, db)
	}
	if err == nil && r.ledger != nil {
		err = w.publishCheckpoints(r.ledger)
	}
	return w, err
}

// openQueue connects to Redis, or starts a queue in this process. A Redis that is away is no reason not to start.
func (a *app) openQueue(ctx context.Context) (redis.UniversalClient, error) {
	if a.Redis == "" {
		return jobs.InProcessRedis(ctx)
	}
	client, err := a.redisClient()
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = client.Close() })
	probe, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	switch err := jobs.CheckRedis(probe, client, a.log()); {
	case errors.Is(err, jobs.ErrRedisUnfit):
		return nil, err
	case err != nil:
		a.log().Warn("Redis is away; starting without it", "error", err)
	}
	return client, nil
}

func (a *app) redisClient() (redis.UniversalClient, error) {
	address, err := withPassword(a.Redis, a.RedisPasswordFile)
	if err != nil {
		return nil, codedError{exitUsage, err}
	}
	client, err := jobs.ConnectRedis(address)
	if err != nil {
		return nil, codedError{exitUsage, err}
	}
	return client, nil
}

func queueName(redis string) string {
	if redis == "" {
		return "in this process"
	}
	return maskPassword(redis)
}

// openAPI makes the HTTP server and takes its address, so that one that cannot be had is known before anything is begun.
// Without api there is neither.
func (a *app) openAPI(w *works, r roles, mail mailing, schedules jobs.Schedules, client redis.UniversalClient, registry *prometheus.Registry) (*httpapi.Server, net.Listener, error) {
	if r.api == nil {
		return nil, nil, nil
	}
	looks := a.lookoutOf(w, schedules, client)
	if err := errors.Join(registry.Register(jobs.NewProvisioningCollector(w.db, w.policy, w.sweeper.Now)),
		registry.Register(jobs.NewConditionCollector(looks.condition, w.policy, wall))); err != nil {
		return nil, nil, fmt.Errorf("registering the metrics: %w", err)
	}
	o, err := r.api.options(w, r.subscriptions)
	if err != nil {
		return nil, nil, err
	}
	queue := "redis"
	if a.Redis == "" {
		queue = "queue" // of this process
	}
	o.Registry, o.Tracer, o.Channels, o.Condition = registry, w.tracer, mail.names(), looks.condition
	o.Explain = a.explainer(w)
	o.Outlook = outlooks{w.db, w.policy, w.sweeper.Now}
	queues := jobs.NewInspector(client)
	o.Queues, o.Console = queues, a.console(w, looks, queues, o.PublicURL)
	o.Checks = []httpapi.Check{
		{Name: "database", Probe: w.db.Ping},
		{Name: queue, Probe: func(ctx context.Context) error { return client.Ping(ctx).Err() }},
	}
	server, err := httpapi.New(o)
	if err != nil {
		return nil, nil, err
	}
	listener, err := server.Listen(a.ctx, r.api.Listen)
	return server, listener, err
}

// period is how long deeds are kept; zero: for ever. Without settings it is the default.
func (s *keepingSettings) period() (lifecycle.Period, error) {
	if s == nil {
		return lifecycle.Months(24), nil
	}
	p, err := lifecycle.ParsePeriod(s.KeepDeeds)
	if err != nil {
		return p, usageError("--keep-deeds: %w; write it like P2Y, or PT0S for ever", err)
	}
	return p, nil
}

// schedules are the default ones with what the operator says instead; none for a process that is no scheduler.
func (s *schedulerSettings) schedules() (jobs.Schedules, error) {
	if s == nil {
		return nil, nil
	}
	schedules := jobs.DefaultSchedules()
	for rule, spec := range s.Schedule {
		schedules[ruleName(rule)] = spec
	}
	if _, err := schedules.Parse(); err != nil {
		return nil, usageError("%w", err)
	}
	return schedules, nil
}

type healthcheckCmd struct {
	URL          string `name:"url" default:"http://127.0.0.1:8080/readyz" help:"What to ask (default: ${default})."`
	Dependencies bool   `help:"Ask the database and Redis themselves, for a process that serves no HTTP."`
}

func (c *healthcheckCmd) Run(a *app) error {
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	if !c.Dependencies {
		return getOK(ctx, c.URL)
	}
	db, err := a.openForReading()
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := db.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if a.Redis == "" {
		return nil
	}
	client, err := a.redisClient()
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // nothing was written
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}
