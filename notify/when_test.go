package notify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	require.NoError(t, err)
	return at
}

func in(zone string) func(l *lifecycle.Letter) {
	return func(l *lifecycle.Letter) { l.Recipient.TimeZone = zone }
}

// Days are pages of the reader's calendar, counted from the day on which the message is written.
func TestDistanceIsTrueOnTheDayOfWriting(t *testing.T) {
	n := notifier(t)
	day := lifecycle.Days
	hours := func(h int) lifecycle.Period { return lifecycle.Period{Span: time.Duration(h) * time.Hour} }
	for _, c := range []struct {
		name     string
		stage    lifecycle.Period
		end      string
		recorded string // empty: at once
		zone     string
		en, ja   string
	}{
		{"the first stage", day(30), "2027-01-31 09:00", "", "", "in 30 days (31 January 2027)", "30日後に終了します（2027年1月31日）"},
		{"the second stage", day(7), "2027-01-31 09:00", "", "", "in 7 days (31 January 2027)", "7日後に終了します（2027年1月31日）"},
		{"the last stage", day(1), "2027-01-31 09:00", "", "", "tomorrow (31 January 2027)", "明日終了します（2027年1月31日）"},
		{"a stage of a month", lifecycle.Months(1), "2027-01-31 09:00", "", "", "in 31 days (31 January 2027)", "31日後に終了します（2027年1月31日）"},
		{"a stage of hours", hours(6), "2027-01-31 09:00", "", "", "today (31 January 2027)", "本日終了します（2027年1月31日）"},
		{"a stage of hours, before midnight", hours(12), "2027-01-31 09:00", "", "", "tomorrow (31 January 2027)", "明日終了します（2027年1月31日）"},
		{"written after midnight", day(30), "2027-01-31 23:50", "2027-01-02 00:05", "", "in 29 days (31 January 2027)", "29日後に終了します（2027年1月31日）"},
		{"the last stage, written after midnight", day(1), "2027-01-31 23:50", "2027-01-31 00:05", "", "today (31 January 2027)", "本日終了します（2027年1月31日）"},
		{"written after an outage", day(30), "2027-01-31 09:00", "2027-01-06 12:00", "", "in 25 days (31 January 2027)", "25日後に終了します（2027年1月31日）"},
		{"written in the last minute", day(30), "2027-01-31 09:00", "2027-01-31 08:59", "", "today (31 January 2027)", "本日終了します（2027年1月31日）"},
		{"written when it was over", day(1), "2027-01-31 09:00", "2027-02-02 09:00", "", "on 31 January 2027", "2027年1月31日に終了します"},

		{"another day in Tokyo", day(1), "2027-01-31 16:00", "", "Asia/Tokyo", "tomorrow (1 February 2027)", "明日終了します（2027年2月1日）"},
		{"another day in Los Angeles", day(1), "2027-01-31 03:00", "", "America/Los_Angeles", "tomorrow (30 January 2027)", "明日終了します（2027年1月30日）"},
		{"midnight between here and there", hours(2), "2027-01-31 16:00", "", "Asia/Tokyo", "tomorrow (1 February 2027)", "明日終了します（2027年2月1日）"},
		{"at one in the night of the day after tomorrow", day(1), "2027-01-31 16:00", "2027-01-30 14:00", "Asia/Tokyo", "in 2 days (1 February 2027)", "2日後に終了します（2027年2月1日）"},
		{"over a day of 23 hours", day(1), "2027-03-29 06:30", "", "Europe/Berlin", "tomorrow (29 March 2027)", "明日終了します（2027年3月29日）"},
		{"over a day of 23 hours, past midnight", day(1), "2027-03-28 22:30", "", "Europe/Berlin", "in 2 days (29 March 2027)", "2日後に終了します（2027年3月29日）"},
		{"over a day of 25 hours", day(1), "2027-10-31 23:30", "", "Europe/Berlin", "tomorrow (1 November 2027)", "明日終了します（2027年11月1日）"},
		{"over a day of 25 hours, before midnight", day(1), "2027-10-31 22:30", "", "Europe/Berlin", "today (31 October 2027)", "本日終了します（2027年10月31日）"},
		{"a zone that is none", day(1), "2027-01-31 16:00", "", "Mars/Olympus", "tomorrow (31 January 2027)", "明日終了します（2027年1月31日）"},
		{"a zone of the machine", day(1), "2027-01-31 16:00", "", "Local", "tomorrow (31 January 2027)", "明日終了します（2027年1月31日）"},
		{"a zone that is a path", day(1), "2027-01-31 16:00", "", "../../etc/passwd", "tomorrow (31 January 2027)", "明日終了します（2027年1月31日）"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := letter(lifecycle.KindWarnExpiry, in(c.zone), func(l *lifecycle.Letter) {
				l.Stage, l.End = c.stage, instant(t, c.end)
				l.Due = l.Stage.Before(l.End)
				l.Recorded = l.Due
				if c.recorded != "" {
					l.Recorded = instant(t, c.recorded)
				}
			})
			en := rendered(t, n, l)
			require.Contains(t, en.decoded(t, "Subject"), "Delegated admin access ends "+c.en+": ")
			require.Contains(t, en.said(), l.End.Format("15:04 UTC"), "UTC stands beside it")
			require.NotContains(t, en.text+en.decoded(t, "Subject"), "in 0 days")
			require.NotContains(t, en.text+en.decoded(t, "Subject"), "in 1 days")

			inJapanese(&l)
			ja := rendered(t, n, l)
			require.Contains(t, ja.decoded(t, "Subject"), "委任管理アクセスが"+c.ja)
			require.Contains(t, ja.said(), l.End.Format("15:04"))
		})
	}
}

func TestMessageThatCountsDaysSaysFromWhen(t *testing.T) {
	n := notifier(t)
	require.Contains(t, rendered(t, n, letter(lifecycle.KindWarnExpiry)).said(), "on Friday 1 January 2027, 09:02 UTC; “today”, “tomorrow” and numbers of days count from then.")
	require.Contains(t, rendered(t, n, letter(lifecycle.KindTermEnded)).said(), "on Sunday 31 January 2027, 09:02 UTC. Notice")
}

func TestInstantIsWrittenByTheReadersClockAndInUTC(t *testing.T) {
	n := notifier(t)
	for _, c := range []struct{ zone, end, en, ja string }{
		{"", "2027-01-31 09:00", "Sunday 31 January 2027, 09:00 UTC", "2027年1月31日（日）09:00（UTC）"},
		{"UTC", "2027-01-31 09:00", "Sunday 31 January 2027, 09:00 UTC", "2027年1月31日（日）09:00（UTC）"},
		{"Etc/UTC", "2027-01-31 09:00", "Sunday 31 January 2027, 09:00 UTC", "2027年1月31日（日）09:00（UTC）"},
		{"No/Where", "2027-01-31 09:00", "Sunday 31 January 2027, 09:00 UTC", "2027年1月31日（日）09:00（UTC）"},
		{"Asia/Tokyo", "2027-01-31 09:00", "Sunday 31 January 2027, 18:00 Tokyo time (09:00 UTC)", "2027年1月31日（日）18:00（日本時間、09:00 UTC）"},
		{"Asia/Tokyo", "2027-01-31 16:00", "Monday 1 February 2027, 01:00 Tokyo time (31 January, 16:00 UTC)", "2027年2月1日（月）01:00（日本時間、1月31日 16:00 UTC）"},
		{"Europe/London", "2027-01-31 09:00", "Sunday 31 January 2027, 09:00 London time (09:00 UTC)", "2027年1月31日（日）09:00（ロンドン時間、09:00 UTC）"},
		{"America/New_York", "2027-07-01 03:00", "Wednesday 30 June 2027, 23:00 New York time (1 July, 03:00 UTC)", "2027年6月30日（水）23:00（ニューヨーク時間、7月1日 03:00 UTC）"},
		{"America/Argentina/Buenos_Aires", "2027-01-31 09:00", "Sunday 31 January 2027, 06:00 Buenos Aires time (09:00 UTC)", "06:00（Buenos Aires 時間、09:00 UTC）"},
		{"Asia/Tokyo", "2027-01-31 15:00", "Monday 1 February 2027, 00:00 Tokyo time (when that day begins; 31 January, 15:00 UTC)", "2027年2月1日（月）00:00（日付が変わる時刻、日本時間、1月31日 15:00 UTC）"},
		{"", "2027-01-31 00:00", "Sunday 31 January 2027, 00:00 UTC (when that day begins)", "2027年1月31日（日）00:00（UTC、日付が変わる時刻）"},
		{"Asia/Kathmandu", "2027-01-31 09:00", "Sunday 31 January 2027, 14:45 Kathmandu time (09:00 UTC)", "14:45（Kathmandu 時間、09:00 UTC）"},
		{"Etc/GMT+11", "2027-01-31 09:00", "Saturday 30 January 2027, 22:00 UTC-11:00 (31 January, 09:00 UTC)", "22:00（UTC-11:00、1月31日 09:00 UTC）"},
	} {
		l := letter(lifecycle.KindTermEnded, in(c.zone), func(l *lifecycle.Letter) { l.End = instant(t, c.end) })
		require.Contains(t, rendered(t, n, l).said(), "Ended: "+c.en, c.zone)
		inJapanese(&l)
		require.Contains(t, rendered(t, n, l).said(), c.ja, c.zone)
	}
}

func TestAnInstantThatIsNoWholeMinuteIsWrittenToTheSecond(t *testing.T) {
	l := letter(lifecycle.KindTermEnded, func(l *lifecycle.Letter) { l.End = end.Add(7 * time.Second) })
	require.Contains(t, rendered(t, notifier(t), l).said(), "31 January 2027, 09:00:07 UTC")
	l.Recipient.TimeZone = "Asia/Tokyo"
	require.Contains(t, rendered(t, notifier(t), l).said(), "31 January 2027, 18:00:07 Tokyo time (09:00:07 UTC)")
	inJapanese(&l)
	require.Contains(t, rendered(t, notifier(t), l).said(), "18:00:07（日本時間、09:00:07 UTC）")
}

func TestTimeAndUTCAreNotParted(t *testing.T) {
	l := letter(lifecycle.KindTermEnded)
	require.Contains(t, rendered(t, notifier(t), l).text, "09:00\u00a0UTC")
	l.Recipient.TimeZone = "Asia/Tokyo"
	require.Contains(t, rendered(t, notifier(t), l).text, "(09:00\u00a0UTC)")
}
