package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueryIsNarrowOnceItLeavesSomethingOut(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, q := range []LetterQuery{
		{IDs: []NoticeID{{1, 2, 3}}}, {Statuses: []NoticeStatus{NoticeDead}}, {Kinds: []NoticeKind{KindApproved}}, {Relationship: "r"}, {Tenant: "t"},
		{Mail: "ann@example.com"}, {Channel: "mail"}, {DueAfter: at}, {DueBefore: at}, {Digest: NoticeID{0, 1, 1}},
	} {
		require.True(t, q.Narrow(), "%+v", q)
	}
	for _, q := range []LetterQuery{{}, {Limit: 10}, {After: NoticeID{1, 2, 3}}} {
		require.False(t, q.Narrow(), "%+v", q)
	}
}
