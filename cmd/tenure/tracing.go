package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// tracerName is who makes the spans, as they say themselves.
const tracerName = "github.com/tenure-dev/tenure"

// tracingSettings say where spans go. What else there is to say about them is said by the variables that OpenTelemetry has for it:
// OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES and the others.
type tracingSettings struct {
	TraceEndpoint string `env:"TENURE_TRACE_ENDPOINT" placeholder:"URL" help:"Where traces go, by OTLP over HTTP, such as http://127.0.0.1:4318 (default: as OTEL_EXPORTER_OTLP_ENDPOINT says; without either nothing is traced)."`
}

// endpoint is where spans go, with nothing where it is the exporter's own to find out. on is false where nothing is traced.
func (s *tracingSettings) endpoint() (address string, on bool) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || strings.EqualFold(os.Getenv("OTEL_TRACES_EXPORTER"), "none") {
		return "", false
	}
	if s.TraceEndpoint != "" {
		return strings.TrimRight(s.TraceEndpoint, "/") + "/v1/traces", true
	}
	return "", cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) != ""
}

// faults finds everything that is wrong with the settings.
func (s *tracingSettings) faults() (faults []error) {
	if s.TraceEndpoint != "" {
		if u, err := url.Parse(s.TraceEndpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			faults = append(faults, usageError("--trace-endpoint %q is no address that traces could be sent to; write it like http://127.0.0.1:4318, with passwords in OTEL_EXPORTER_OTLP_HEADERS", s.TraceEndpoint))
		}
	}
	if _, on := s.endpoint(); !on {
		return faults
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" && protocol != "http/protobuf" && protocol != "http/json" {
			faults = append(faults, usageError("%s=%s: tenure speaks http/protobuf and http/json; name the collector's HTTP endpoint, whose port is 4318 as a rule", name, protocol))
		}
	}
	return faults
}

// tracing is what makes spans and sends them. The zero tracing makes none.
type tracing struct {
	tracer   trace.Tracer // nil: nothing is traced
	provider *sdktrace.TracerProvider
}

// startTracing begins to send spans, where the settings say so. A collector that is away is no reason not to start: spans wait for a while,
// and then are lost.
func (a *app) startTracing(s *tracingSettings, role string) (tracing, error) {
	address, on := s.endpoint()
	if !on {
		return tracing{}, nil
	}
	otel.SetErrorHandler(newTraceFaults(a.log()))
	var options []otlptracehttp.Option
	if address != "" {
		options = append(options, otlptracehttp.WithEndpointURL(address))
	}
	exporter, err := otlptracehttp.New(a.ctx, options...)
	if err != nil {
		return tracing{}, codedError{exitUsage, fmt.Errorf("sending traces: %w", err)}
	}
	// What the environment says goes before.
	about, err := resource.New(a.ctx, resource.WithAttributes(attribute.String("service.name", "tenure"), attribute.String("service.version", version),
		attribute.String("tenure.role", role)), resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return tracing{}, codedError{exitUsage, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)}
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return tracing{tracer: provider.Tracer(tracerName), provider: provider}, nil
}

// begin begins the span of a whole command.
func (t tracing) begin(ctx context.Context, command string) (context.Context, trace.Span) {
	if t.tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return t.tracer.Start(ctx, command)
}

// endSpan ends it, and says that the command failed where it did; what it says of that is for whoever typed it.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "failed")
	}
	span.End()
}

// Close sends what waits to be sent, for some seconds at most: nobody is kept from stopping by a collector that is away.
func (t tracing) Close() error {
	if t.provider == nil {
		return nil
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
	return nil
}

// traceFaults tells the log of spans that are lost, a line a minute at most: that is no fault of the work itself.
type traceFaults struct {
	log  *slog.Logger
	told *rate.Sometimes
}

func newTraceFaults(log *slog.Logger) traceFaults {
	return traceFaults{log, &rate.Sometimes{First: 1, Interval: time.Minute}}
}

// Handle satisfies [otel.ErrorHandler].
func (f traceFaults) Handle(err error) {
	f.told.Do(func() { f.log.Warn("traces could not be sent; they are lost, and nothing else is", "error", err) })
}
