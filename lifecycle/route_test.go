package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFirstRouteThatFitsDecides(t *testing.T) {
	partner, customer := Audience{"99999999-9999-4999-8999-999999999999", AdminAgents}, Audience{"22222222-2222-4222-8222-222222222222", GlobalAdministrators}
	both := []Audience{partner, customer}
	for _, c := range []struct {
		name   string
		routes []Route
		kind   NoticeKind
		want   []Addressee
	}{
		{"without routes people are told on the default channel", nil, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "mail"}, {Audience: customer, Channel: "mail"}}},
		{"by side", []Route{{Sides: []Side{CustomerSide}, People: []string{"post"}}, {People: []string{"mail", "archive"}}}, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "mail"}, {Audience: partner, Channel: "archive"}, {Audience: customer, Channel: "post"}}},
		{"by kind", []Route{{Kinds: []NoticeKind{KindApproved}, People: []string{"post"}}, {People: []string{"mail"}}}, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "mail"}, {Audience: customer, Channel: "mail"}}},
		{"by tenant", []Route{{Tenants: []string{partner.TenantID}, Endpoints: []string{"crm"}}, {People: []string{"mail"}}}, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "crm", Endpoint: true}, {Audience: customer, Channel: "mail"}}},
		{"an endpoint is told once, not once a side", []Route{{People: []string{"mail"}, Endpoints: []string{"crm"}}}, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "mail"}, {Audience: partner, Channel: "crm", Endpoint: true}, {Audience: customer, Channel: "mail"}}},
		{"a route that leads nowhere is not forgotten", []Route{{Sides: []Side{PartnerSide}}, {People: []string{"mail"}}}, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "mail", Muted: true}, {Audience: customer, Channel: "mail"}}},
		{"neither is a notice that no route fits", []Route{{Sides: []Side{PartnerSide}, People: []string{"mail"}}}, KindTerminated,
			[]Addressee{{Audience: partner, Channel: "mail"}, {Audience: customer, Channel: "mail", Muted: true}}},
	} {
		p := NoticePolicy{Routes: c.routes}
		require.Equal(t, c.want, p.addressees(nil, c.kind, both), c.name)
	}
}

func TestNextDigest(t *testing.T) {
	p := DigestPolicy{At: 7 * time.Hour, On: time.Monday}
	for _, c := range []struct{ digest, after, want string }{
		{"daily", "2026-01-01T06:59:59.999999Z", "2026-01-01T07:00:00Z"},
		{"daily", "2026-01-01T07:00:00Z", "2026-01-02T07:00:00Z"},
		{"weekly", "2026-01-01T06:00:00Z", "2026-01-05T07:00:00Z"}, // a Thursday
		{"weekly", "2026-01-05T06:00:00Z", "2026-01-05T07:00:00Z"},
		{"weekly", "2026-01-05T07:00:00Z", "2026-01-12T07:00:00Z"},
	} {
		require.Equal(t, at(c.want), p.Next(Digest(c.digest), at(c.after)), "%v", c)
	}
	require.Zero(t, p.Next(NoDigest, at("2026-01-01T00:00:00Z")))
}

func TestWarningDoesNotWaitForADigestThatComesTooLate(t *testing.T) {
	p := DigestPolicy{At: 7 * time.Hour, On: time.Monday}
	now, monday := at("2026-01-01T12:00:00Z"), at("2026-01-05T07:00:00Z")
	warning := func(end time.Time) *Notice { return &Notice{Kind: KindWarnExpiry, End: end} }
	require.Equal(t, monday, p.WaitsUntil(WeeklyDigest, warning(monday.Add(Day)), now))
	require.Zero(t, p.WaitsUntil(WeeklyDigest, warning(monday.Add(Day-time.Microsecond)), now))
	require.Equal(t, monday, p.WaitsUntil(WeeklyDigest, &Notice{Kind: KindTermEnded, End: now}, now))
	require.Zero(t, p.WaitsUntil(NoDigest, &Notice{Kind: KindTermEnded, End: now}, now))
}

func TestOldNews(t *testing.T) {
	p := NoticePolicy{StaleAfter: Days(7)}
	due := at("2026-01-01T00:00:00Z")
	require.False(t, p.Stale(due, due.Add(7*Day)))
	require.True(t, p.Stale(due, due.Add(7*Day+time.Microsecond)))
	require.False(t, (&NoticePolicy{}).Stale(due, due.Add(1000*Day)))
}

func TestWhatAnOperatorMayDoToANotice(t *testing.T) {
	allowed := map[NoticeStatus][]NoticeAction{}
	for _, way := range NoticeWays {
		got, err := way.Action.Way()
		require.NoError(t, err)
		require.Equal(t, way, got)
		for _, status := range NoticeStatuses {
			if err := way.Takes(status); err == nil {
				allowed[status] = append(allowed[status], way.Action)
			} else {
				require.ErrorIs(t, err, ErrWrongStatus)
			}
		}
	}
	require.Equal(t, map[NoticeStatus][]NoticeAction{
		NoticeQueued:      {SuppressNotice},
		NoticeWaiting:     {ReleaseNotice, SuppressNotice},
		NoticeFailed:      {RetryNotice, SuppressNotice},
		NoticeDead:        {RetryNotice, SuppressNotice},
		NoticeNoRecipient: {RetryNotice, SuppressNotice},
		NoticeSuppressed:  {ReleaseNotice},
	}, allowed)
	_, err := NoticeAction("shout").Way()
	require.EqualError(t, err, `"shout" is nothing that can be done to a notice; write retry, release or suppress`)
	require.ErrorContains(t, NoticeWays[0].Takes(NoticeSuppressed), "it is suppressed; it can be: release")
	require.ErrorContains(t, NoticeWays[0].Takes(NoticeSent), "it is sent, and nothing can be done to it")
}

func TestSidesAndFinalStatuses(t *testing.T) {
	require.Equal(t, PartnerSide, AdminAgents.Side())
	require.Equal(t, CustomerSide, GlobalAdministrators.Side())
	for _, status := range NoticeStatuses {
		require.Equal(t, status != NoticeQueued && status != NoticeWaiting && status != NoticeFailed, status.Final(), status)
	}
	require.True(t, (&Letter{Kind: KindDigest}).IsDigest())
	require.False(t, (&Letter{Kind: KindTermEnded}).IsDigest())
}

func TestLaterIsStillTheErrorThatItIsAbout(t *testing.T) {
	err := error(&Later{Wait: time.Minute, Err: ErrUnavailable})
	require.ErrorIs(t, err, ErrUnavailable)
	require.EqualError(t, err, ErrUnavailable.Error())
}
