package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestOnlyLettersThatDiedMeanwhileAreReported(t *testing.T) {
	before := []lifecycle.ChannelReport{{Statuses: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeDead: 3, lifecycle.NoticeFailed: 9}}, {}}
	require.EqualValues(t, 3, deadLetters(before))
	require.NoError(t, givenUp(0))
	require.NoError(t, givenUp(-2), "somebody else retried them")
	require.Equal(t, exitPartial, done(givenUp(1)))
	require.ErrorContains(t, givenUp(1), "1 notice was given up; `tenure notices list --status dead`")
	require.ErrorContains(t, givenUp(2), "2 notices were given up")
}

func TestLettersWithoutAChannelSayWhatToDo(t *testing.T) {
	require.NoError(t, withoutChannel("old", 0))
	require.ErrorContains(t, withoutChannel("old", 1), `1 notice waits for channel "old"; give --channel old=ADDRESS, or suppress it`)
	require.ErrorContains(t, withoutChannel("old", 2), `2 notices wait for channel "old"; give --channel old=ADDRESS, or suppress them`)
}
