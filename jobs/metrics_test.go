package jobs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/jobs"
	"github.com/tenure-dev/tenure/lifecycle"
)

func TestDeliveryIsCountedByChannelAndOutcome(t *testing.T) {
	d := ended(t, 3)
	registry := prometheus.NewRegistry()
	metrics, err := jobs.NewMetrics(registry, lifecycle.LatenessPolicy{})
	require.NoError(t, err)
	d.courier.Metrics = metrics
	d.outbox.channels = map[string]int{"mail": 1}
	d.outbox.refuse = errDown
	d.deliver()
	require.Equal(t, map[string]float64{"mail": 1}, shown(t, registry, "tenure_channel_state"), "it is left alone")
	require.Equal(t, map[string]float64{"mail unavailable": 1}, shown(t, registry, "tenure_notice_attempts_total"))
	require.Empty(t, shown(t, registry, "tenure_notices_settled_total"))

	d.open()
	d.outbox.refuse = errors.New("451 try later")
	d.deliver()
	d.outbox.refuse = nil
	d.wall = d.wall.Add(time.Minute)
	d.deliver()
	require.Equal(t, map[string]float64{"mail": 0}, shown(t, registry, "tenure_channel_state"), "it works")
	require.Equal(t, map[string]float64{"mail failed": 3, "mail sent": 3}, shown(t, registry, "tenure_notices_settled_total"))
	require.Equal(t, map[string]float64{"mail unavailable": 1, "mail failed": 3, "mail sent": 3}, shown(t, registry, "tenure_notice_attempts_total"))
}

func TestEachSweepThatIsOverIsCountedOnce(t *testing.T) {
	d := deploy(t)
	registry := prometheus.NewRegistry()
	metrics, err := jobs.NewMetrics(registry, lifecycle.LatenessPolicy{})
	require.NoError(t, err)
	d.sweeper.Metrics = metrics
	d.load(active(1, start.Add(time.Hour)))
	for range 2 { // nothing is due
		sweep, _, err := d.sweeper.RequestSweep(t.Context(), nil, false, "")
		require.NoError(t, err)
		require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID))
		require.NoError(t, d.sweeper.Cut(t.Context(), sweep.ID)) // rung for again
	}
	require.Equal(t, map[string]float64{"request": 2}, shown(t, registry, "tenure_sweep_duration_seconds"))
	d.now = d.now.Add(time.Hour)
	_, err = d.sweeper.Run(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest}, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"request": 3}, shown(t, registry, "tenure_sweep_duration_seconds"))
}

// shown reads the counters and gauges of a name, and how much is in its histograms, by the values of their labels.
func shown(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if family.GetName() == name {
				values[strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}
