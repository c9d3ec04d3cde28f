package lifecycle

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"P730D", "P104W2D", "P", "PT0S", "P1Y2M3W4DT5H6M7S", "PT", "P1", "P-1D", "p1d", "P99999999999999999999D", "P200Y73200D", "PT2147483647S"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePeriod(s)
		if err != nil {
			require.Zero(t, p)
			return
		}
		require.GreaterOrEqual(t, p.Months, 0)
		require.GreaterOrEqual(t, p.Span, time.Duration(0))
		again, err := ParsePeriod(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
		require.Equal(t, p.String(), again.String())

		from := at("2024-02-29T23:59:59.999999Z")
		require.Equal(t, p.IsZero(), p.After(from).Equal(from))
		require.False(t, p.After(from).Before(from))
		require.False(t, p.Before(from).After(from))
		require.True(t, p.within(p))
		_ = DefaultPolicy().AllowsDuration(p)
	})
}

func FuzzParseInstant(f *testing.F) {
	for _, s := range []string{"2026-01-31T09:00:00Z", "2026-01-31T09:00:00.1234567+09:00", "2026-01-31T09:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
		"2999-12-31T23:59:59.9999999-23:59", "2024-02-30T00:00:00Z", "2026-01-31T9:00:00Z", "2026-01-31T09:00:00,5Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		instant, err := ParseInstant(s)
		if err != nil {
			require.True(t, instant.IsZero())
			return
		}
		require.Equal(t, time.UTC, instant.Location())
		kept := Instant(instant)
		require.False(t, kept.After(instant))
		require.Less(t, instant.Sub(kept), microsecond)
		again, err := ParseInstant(FormatInstant(kept))
		require.NoError(t, err)
		require.Equal(t, kept, again)
	})
}

func FuzzDecodeWire(f *testing.F) {
	f.Add([]byte(contractExample))
	for _, r := range []Record{contoso(created), contoso(pending), contoso(expired, extending), contoso(withGlobalAdministrator)} {
		text, err := json.Marshal(r.Wire(DefaultPolicy()))
		require.NoError(f, err)
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte(`Z"`), []byte(`.1234567+09:00"`)))
		f.Add(bytes.ReplaceAll(text, []byte(`"nameReleased":false`), []byte(`"nameReleased":true`)))
	}
	f.Add([]byte(`{"id":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := DecodeWire(text)
		if err != nil {
			return
		}
		p := DefaultPolicy()
		r, _, faults := w.Record(p, importedAt)
		if len(faults) > 0 {
			for _, f := range faults {
				require.NotEmpty(t, f.Field)
				require.NotEmpty(t, f.Error())
			}
			return
		}
		require.Empty(t, r.Validate(p))
		written, err := json.Marshal(r.Wire(p))
		require.NoError(t, err)
		w, err = DecodeWire(written)
		require.NoError(t, err)
		again, _, faults := w.Record(p, importedAt)
		require.Empty(t, faults)
		require.Equal(t, r, again)
		require.Equal(t, r.Wire(p), again.Wire(p))
	})
}

// FuzzEvaluate reads a record, a policy and instants from the bytes and holds them against every law.
func FuzzEvaluate(f *testing.F) {
	random := rand.New(rand.NewPCG(2026, 1))
	for range 30 {
		seed := make([]byte, 4096)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	laws := []func(t *rapid.T){
		secondEvaluateFindsNothing,
		downtimeChangesOnlyWhenThingsAreRecorded,
		nothingLeadsOutOfExpiredOrTerminated,
		effectiveInstantsNeverDecreaseAndNeverLieAhead,
		everyStepFollowsALineOfTransitions,
		versionsGrowByOneWithEachStep,
		eachStageOfAnEndIsWarnedOfOnce,
		newsOfTheLatestStepIsNotOutdatedAtOnce,
		nextIsTheFirstInstantAtWhichSomethingHappens,
		rulesMayBeSweptOneByOneInAnyOrder,
		scanForFindsWhateverASweepWouldChange,
		refusalChangesNothing,
		actionDoesNotDependOnHowOftenSweepsRan,
		afterAnActionNothingIsDue,
		holdThatIsReleasedChangesOnlyWhenThingsAreRecorded,
		timerOnHoldTakesNoEffect,
	}
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { rapid.SampledFrom(laws).Draw(t, "law")(t) }))
}
