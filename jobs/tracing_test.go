package jobs_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// traced has d tell where its time goes, and keeps the spans.
func (d *deployment) traced() (*tracetest.InMemoryExporter, trace.Tracer) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	tracer := provider.Tracer("test")
	d.sweeper.Tracer, d.courier.Tracer = tracer, tracer
	return kept, tracer
}

// named are the spans of a name.
func named(kept *tracetest.InMemoryExporter, name string) (spans tracetest.SpanStubs) {
	for _, span := range kept.GetSpans() {
		if span.Name == name {
			spans = append(spans, span)
		}
	}
	return spans
}

func attributeOf(span tracetest.SpanStub, key attribute.Key) attribute.Value {
	for _, a := range span.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

// awaitSent waits until so many letters are sent and all spans of them are ended.
func (d *deployment) awaitSent(kept *tracetest.InMemoryExporter, letters int) {
	d.t.Helper()
	eventually(d.t, func() bool {
		return d.letters()[lifecycle.NoticeSent] == letters && len(named(kept, "send notice")) == letters
	})
}

func TestOneTraceLeadsFromARequestToTheLastLetter(t *testing.T) {
	d := deployOn(t, testenv.Postgres(t))
	kept, tracer := d.traced()
	d.agents("agent@partner.example")
	d.load(many(25, start)...)
	client, err := jobs.ConnectRedis(testenv.Redis(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	d.employ(client, 2)

	ctx, request := tracer.Start(t.Context(), "request")
	sweep, _, err := d.sweeper.RequestSweep(ctx, nil, false, "")
	require.NoError(t, err)
	request.End()
	d.awaitSent(kept, 25)
	eventually(t, func() bool { return len(named(kept, "do chunk")) == 3 })

	byID := map[trace.SpanID]tracetest.SpanStub{}
	for _, span := range kept.GetSpans() {
		require.Equal(t, request.SpanContext().TraceID(), span.SpanContext.TraceID(), span.Name)
		byID[span.SpanContext.SpanID()] = span
	}
	above := func(span tracetest.SpanStub) string { return byID[span.Parent.SpanID()].Name }
	require.Equal(t, "request", above(named(kept, "open sweep")[0]))
	require.Equal(t, "open sweep", above(named(kept, "cut sweep")[0]), "Redis has carried it")
	require.True(t, named(kept, "cut sweep")[0].Parent.IsRemote())
	var found int64
	for _, chunk := range named(kept, "do chunk") {
		require.Equal(t, "cut sweep", above(chunk), "Redis has carried it")
		require.Equal(t, sweep.ID, attributeOf(chunk, "tenure.sweep").AsInt64())
		found += attributeOf(chunk, "tenure.changed").AsInt64()
	}
	require.EqualValues(t, 25, found)
	for _, name := range []string{"read chunk", "decide chunk", "prepare chunk", "write chunk"} {
		require.Len(t, named(kept, name), 3)
		require.Equal(t, "do chunk", above(named(kept, name)[0]))
	}
	for _, letter := range named(kept, "send notice") {
		require.Equal(t, "write chunk", above(letter), "the row has carried it")
		require.Equal(t, "mail", attributeOf(letter, "tenure.channel").AsString())
		require.Equal(t, "sent", attributeOf(letter, "tenure.outcome").AsString())
		require.NotEmpty(t, attributeOf(letter, "tenure.notice").AsString())
	}
}

func TestChunkBelongsToItsSweepsTraceThoughRedisForgotIt(t *testing.T) {
	d := deploy(t)
	kept, tracer := d.traced()
	d.load(many(25, start)...)
	ctx, request := tracer.Start(t.Context(), "request")
	sweep, _, err := d.sweeper.Open(ctx, lifecycle.SweepRequest{})
	require.NoError(t, err)
	request.End()

	d.bell.broken = true // the watchdog does it all, and knows of no request
	elsewhere, look := tracer.Start(t.Context(), "look")
	require.NoError(t, d.watchdog.Look(t.Context()))
	require.NoError(t, d.watchdog.Look(t.Context()))
	d.wall = d.wall.Add(time.Minute)
	require.NoError(t, d.watchdog.Look(elsewhere))
	look.End()
	require.Equal(t, 25, d.changes())
	require.Len(t, named(kept, "do chunk"), 3)
	for _, span := range append(named(kept, "do chunk"), named(kept, "cut sweep")...) {
		require.Equal(t, request.SpanContext().TraceID(), span.SpanContext.TraceID(), span.Name)
		require.Equal(t, sweep.ID, attributeOf(span, "tenure.sweep").AsInt64())
	}
}

func TestRequestThatJoinsASweepLinksToItsTrace(t *testing.T) {
	d := deploy(t)
	kept, _ := d.traced()
	d.load(active(1, start))
	for range 2 {
		_, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
	}
	opening := named(kept, "open sweep")
	require.Len(t, opening, 2)
	require.Empty(t, opening[0].Links)
	require.Len(t, opening[1].Links, 1)
	require.Equal(t, opening[0].SpanContext.TraceID(), opening[1].Links[0].SpanContext.TraceID())
	require.Equal(t, "joined", attributeOf(opening[1], "tenure.opened").AsString())
}

func TestSpanOfALetterDoesNotNameTheRecipient(t *testing.T) {
	d := deploy(t)
	kept, _ := d.traced()
	d.agents("agent@partner.example")
	d.load(active(1, start))
	d.outbox.refuse = errors.New("550 agent@partner.example is unknown here")
	_, err := d.sweeper.Run(t.Context(), lifecycle.SweepRequest{}, nil)
	require.NoError(t, err)
	d.deliver()
	letters := named(kept, "send notice")
	require.Len(t, letters, 1)
	require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "failed"}, letters[0].Status)
	require.Empty(t, letters[0].Events)
	for _, a := range letters[0].Attributes {
		require.NotContains(t, a.Value.String(), "agent")
	}
}

func TestDigestLinksToWhatCalledForItsItems(t *testing.T) {
	d := deploy(t)
	kept, tracer := d.traced()
	into, err := d.db.BeginImport(t.Context(), false)
	require.NoError(t, err)
	_, err = into.Contacts(t.Context(), []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "a@partner.example", Digest: lifecycle.DailyDigest}},
		&d.policy.Notices, d.now)
	require.NoError(t, err)
	require.NoError(t, into.Commit())
	d.load(active(1, start), active(2, start.Add(time.Hour)))
	var called []trace.TraceID
	for range 2 {
		ctx, span := tracer.Start(t.Context(), "request")
		_, err := d.sweeper.Run(ctx, lifecycle.SweepRequest{}, nil)
		require.NoError(t, err)
		span.End()
		called = append(called, span.SpanContext().TraceID())
		d.now = d.now.Add(time.Hour)
	}
	d.now = d.now.Add(2 * lifecycle.Day)
	d.deliver()
	letters := named(kept, "send notice")
	require.Len(t, letters, 1)
	var linked []trace.TraceID
	for _, l := range letters[0].Links {
		linked = append(linked, l.SpanContext.TraceID())
	}
	require.ElementsMatch(t, called, linked)
	require.False(t, letters[0].Parent.IsValid(), "it is of neither")
}

func TestPagesOfBulkJobsAreTraced(t *testing.T) {
	d := deploy(t)
	kept, tracer := d.traced()
	d.load(portfolio()...)
	b := d.bulk()
	b.Tracer = tracer
	require.NoError(t, b.Look(t.Context()))
	require.Empty(t, kept.GetSpans(), "to look is not told")
	job := d.request("status eq 'active'")
	require.NoError(t, b.Look(t.Context()))
	pages := named(kept, "do bulk page")
	require.GreaterOrEqual(t, len(pages), 5)
	var sum [3]int64
	for _, page := range pages {
		require.Equal(t, job.ID, attributeOf(page, "tenure.job").AsInt64())
		require.Equal(t, "setAutoExtend", attributeOf(page, "tenure.action").AsString())
		require.Equal(t, codes.Unset, page.Status.Code)
		for n, key := range []attribute.Key{"tenure.found", "tenure.changed", "tenure.refused"} {
			sum[n] += attributeOf(page, key).AsInt64()
		}
	}
	require.Equal(t, [3]int64{1000, 800, 100}, sum)
}

func TestAskingAnotherSystemIsTraced(t *testing.T) {
	d := deploy(t)
	kept, tracer := d.traced()
	h := &hook{answer: failing}
	p := d.provisioning(h)
	p.Tracer = tracer
	d.requestedFor(relationshipID, lifecycle.Days(90))
	d.act(relationshipID, lifecycle.Approve, lifecycle.Customer)
	d.once(p)
	h.answer = nil
	d.pass(time.Hour)
	d.once(p)
	require.Equal(t, lifecycle.Active, d.record(relationshipID).Status)
	asked := named(kept, "ask provisioner")
	require.Len(t, asked, 2)
	for n, outcome := range []string{"failed", "done"} {
		require.Equal(t, "grant", attributeOf(asked[n], "tenure.what").AsString())
		require.EqualValues(t, n+1, attributeOf(asked[n], "tenure.attempt").AsInt64())
		require.Equal(t, outcome, attributeOf(asked[n], "tenure.outcome").AsString())
	}
	require.Equal(t, codes.Error, asked[0].Status.Code)
	require.NotContains(t, asked[0].Status.Description, "directory", "what the other system answered is not told")
	require.Empty(t, asked[0].Events)
}

func TestTasksCarryNothingWhileNobodyTraces(t *testing.T) {
	eachQueue(t, func(t *testing.T, client redis.UniversalClient) {
		queue := jobs.NewQueue(client, func() time.Time { return start })
		require.NoError(t, queue.RingCut(t.Context(), 7))
		_, tracer := deploy(t).traced()
		ctx, span := tracer.Start(t.Context(), "request")
		require.NoError(t, queue.RingCut(ctx, 8))
		tasks, err := asynq.NewInspectorFromRedisClient(client).ListPendingTasks("tenure-sweeps")
		require.NoError(t, err)
		require.Len(t, tasks, 2)
		headers := map[string]map[string]string{string(tasks[0].Payload): tasks[0].Headers, string(tasks[1].Payload): tasks[1].Headers}
		require.Empty(t, headers[`{"sweep":7}`])
		require.Contains(t, headers[`{"sweep":8}`]["traceparent"], span.SpanContext().TraceID().String())
	})
}

func TestHistogramsShowATraceAsAnExample(t *testing.T) {
	d := deploy(t)
	_, tracer := d.traced()
	registry := prometheus.NewRegistry()
	metrics, err := jobs.NewMetrics(registry, lifecycle.LatenessPolicy{})
	require.NoError(t, err)
	d.sweeper.Metrics, d.courier.Metrics = metrics, metrics
	d.agents("agent@partner.example")
	d.load(active(1, start))
	ctx, span := tracer.Start(t.Context(), "request")
	_, err = d.sweeper.Run(ctx, lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
	require.NoError(t, err)
	span.End()
	d.deliver()
	for _, name := range []string{"tenure_lateness_seconds", "tenure_chunk_duration_seconds", "tenure_sweep_duration_seconds", "tenure_notice_send_seconds", "tenure_notice_delay_seconds"} {
		require.Equal(t, []string{span.SpanContext().TraceID().String()}, exemplars(t, registry, name), name)
	}
	require.Equal(t, map[string]float64{"opened request": 1}, shown(t, registry, "tenure_sweeps_opened_total"))
}

// exemplars are the traces that a histogram names.
func exemplars(t *testing.T, registry *prometheus.Registry, name string) (traces []string) {
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, bucket := range m.GetHistogram().GetBucket() {
				for _, label := range bucket.GetExemplar().GetLabel() {
					if family.GetName() == name {
						traces = append(traces, label.GetValue())
					}
				}
			}
		}
	}
	return traces
}
