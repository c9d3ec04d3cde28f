package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryTransitionIsAnEventBySomebodyKnown(t *testing.T) {
	for _, transition := range Transitions {
		require.Contains(t, EventTypes, transition.Event)
		require.Subset(t, Actors, transition.By)
	}
}

func TestPlaceInTheLogReadsAsItIsWritten(t *testing.T) {
	place := ActivityPosition{Recorded: at("2026-03-01T09:00:00.000001Z"), Key: 7, Version: -12}
	require.Equal(t, "2026-03-01T09:00:00.000001Z/7/-12", place.String())
	read, err := ParseActivityPosition(place.String())
	require.NoError(t, err)
	require.Equal(t, &place, read)
	for _, other := range []string{"", "there", "1/2", "x/7/1", "2026-03-01T09:00:00Z/x/1", "2026-03-01T09:00:00Z/7/", "2026-03-01T09:00:00Z/7/1/1"} {
		_, err := ParseActivityPosition(other)
		require.EqualError(t, err, "is not a place in the list", other)
	}
}
