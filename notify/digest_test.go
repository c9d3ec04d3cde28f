package notify

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

var previewer = sync.OnceValue(func() *Notifier {
	n, err := New(options())
	if err != nil {
		panic(err)
	}
	return n
})

// digest tells somebody on the partner's side of one notice of each story, and of three warnings.
func digest(change ...func(l *lifecycle.Letter)) lifecycle.Letter {
	l, err := previewer().Preview(lifecycle.KindDigest, PreviewOptions{})
	if err != nil {
		panic(err)
	}
	l.Message = nil
	for i := range l.Items {
		l.Items[i].Relationship.ID = fmt.Sprint("relationship-", i)
		l.Items[i].Key = int64(i + 1)
	}
	for _, c := range change {
		c(&l)
	}
	return l
}

func TestDigestSaysToEachSideInEachLanguageWhatItShould(t *testing.T) {
	n := notifier(t)
	for _, side := range []lifecycle.Side{lifecycle.PartnerSide, lifecycle.CustomerSide} {
		for tag, zone := range map[string]string{"en": "Europe/London", "ja": "Asia/Tokyo"} {
			l, err := n.Preview(lifecycle.KindDigest, PreviewOptions{Side: side, Language: tag, TimeZone: zone})
			require.NoError(t, err)
			requireGolden(t, filepath.Join("golden", fmt.Sprintf("digest-%s-%s.txt", side, tag)), []byte(readable(t, l.Message)))
		}
	}
}

func TestDigestBeginsWithWhatEndsSoon(t *testing.T) {
	p := rendered(t, notifier(t), digest())
	require.Equal(t, "16 notices about delegated admin access: 2 relationships end within a week", p.decoded(t, "Subject"))
	at := 0
	for _, want := range []string{"Ending soon (3)", "tomorrow", "in 7 days", "in 30 days", "Ended at the end of the term (3)", "Terminated", "declined", "lapsed", "Approved", "Extended"} {
		i := strings.Index(p.text[at:], want)
		require.GreaterOrEqual(t, i, 0, "%s is missing or too early in\n%s", want, p.text)
		at += i
	}
}

func TestRowsOfADigestSayWhatElseThereIsToKnow(t *testing.T) {
	said := rendered(t, notifier(t), digest(func(l *lifecycle.Letter) { l.Recipient.TimeZone = "Asia/Tokyo" })).said()
	require.Equal(t, 1, strings.Count(said, "in 7 days Sunday 7 February 2027, 18:00 Tokyo time (09:00 UTC) includes Global Administrator"))
	require.Equal(t, 1, strings.Count(said, ") includes Global Administrator"))
	require.Contains(t, said, "UTC) runs until 31 January 2028")
	require.Contains(t, said, "UTC) now runs until 30 July 2027")
}

func TestPreviewedDigestTellsOfNothingTwice(t *testing.T) {
	n := notifier(t)
	for side, rows := range map[lifecycle.Side]int{lifecycle.PartnerSide: 16, lifecycle.CustomerSide: 12} {
		l, err := n.Preview(lifecycle.KindDigest, PreviewOptions{Side: side})
		require.NoError(t, err)
		seen := map[string]bool{}
		for i := range l.Items {
			item := &l.Items[i]
			seen[item.Relationship.DisplayName+item.Relationship.Customer.DisplayName] = true
			require.False(t, side == lifecycle.CustomerSide && (storyOf(item) == rejected || item.Kind == lifecycle.KindRequestLapsed), "customers do not hear of it")
		}
		require.Len(t, seen, rows)
	}
}

func TestDigestSaysWhyItIsOne(t *testing.T) {
	n := notifier(t)
	for name, c := range map[string]struct {
		reasons []lifecycle.Reason
		want    string
	}{
		"chosen":   {[]lifecycle.Reason{lifecycle.ForDigest}, "You asked to be told of them together."},
		"too many": {[]lifecycle.Reason{lifecycle.TooManyToday}, "because there was more to tell you in a day than is sent one by one."},
		"both":     {[]lifecycle.Reason{lifecycle.ForDigest, lifecycle.TooManyToday}, "because you asked for that or because there was more to tell you"},
	} {
		t.Run(name, func(t *testing.T) {
			p := rendered(t, n, digest(func(l *lifecycle.Letter) {
				for i := range l.Items {
					l.Items[i].Reason = c.reasons[i%len(c.reasons)]
				}
			}))
			require.Contains(t, p.said(), c.want)
		})
	}
}

func TestDigestOfOneIsInTheSingular(t *testing.T) {
	n := notifier(t)
	one := digest(func(l *lifecycle.Letter) { l.Items = l.Items[:1] })
	require.Equal(t, "1 notice about delegated admin access: 1 relationship ends within a week", rendered(t, n, one).decoded(t, "Subject"))
	one.Items[0].End = one.Recorded.AddDate(0, 0, 20)
	require.Equal(t, "1 notice about delegated admin access: 1 relationship ends soon", rendered(t, n, one).decoded(t, "Subject"))
	one.Items[0].Kind = lifecycle.KindTermEnded
	require.Equal(t, "1 notice about delegated admin access", rendered(t, n, one).decoded(t, "Subject"))
	require.NotContains(t, rendered(t, n, one).said(), "Begin with those that end soon")
}

func TestDigestHasAMessageIDOfItsOwn(t *testing.T) {
	n := notifier(t)
	seen := map[string]string{}
	for name, change := range map[string]func(l *lifecycle.Letter){
		"as it is":         func(*lifecycle.Letter) {},
		"another database": func(l *lifecycle.Letter) { l.Items[0].Relationship.ID = "another" },
		"a later one":      func(l *lifecycle.Letter) { l.Due = l.Due.Add(lifecycle.Day) },
		"another reader":   func(l *lifecycle.Letter) { l.Recipient.Mail = "else@partner.example" },
		"another channel":  func(l *lifecycle.Letter) { l.Channel = "other" },
	} {
		l := digest(change)
		id, first, err := n.Render(l)
		require.NoError(t, err)
		require.Empty(t, seen[id], name)
		seen[id] = name
		l.Attempts = 3
		againID, again, err := n.Render(l)
		require.NoError(t, err)
		require.Equal(t, id, againID)
		require.Equal(t, string(first), string(again))
		require.NotContains(t, parse(t, first).header, "References", "a digest belongs to no relationship")

		discarded, _, err := NewDiscard("tenure.example.com").Render(l)
		require.NoError(t, err)
		require.Equal(t, id, discarded)
	}
}

// Some mail programs show no more than 102 KB.
func TestDigestOfHundredsStaysReadable(t *testing.T) {
	for _, tag := range []string{"en", "ja"} {
		l := digest(func(l *lifecycle.Letter) {
			l.Recipient.Language, l.Recipient.TimeZone = tag, "Asia/Tokyo"
			items := l.Items
			l.Items = nil
			for i := range 500 {
				l.Items = append(l.Items, items[i%len(items)])
			}
		})
		p := rendered(t, notifier(t), l)
		require.Equal(t, 500, strings.Count(p.html, `<tr><th scope="row"`))
		require.Less(t, len(p.html), 120<<10)
	}
}

func TestDigestIsHarmlessWhateverItsRowsAreCalled(t *testing.T) {
	n := notifier(t)
	rows := func(name string) parsed {
		return rendered(t, n, digest(func(l *lifecycle.Letter) {
			for i := range l.Items {
				l.Items[i].Relationship.DisplayName, l.Items[i].Relationship.Customer.DisplayName = name, name
			}
		}))
	}
	want := rows("x")
	for name, text := range hostile {
		if clean(text, longestName) == "" {
			continue
		}
		got := rows(text)
		require.Len(t, got.header, len(want.header), name)
		require.Empty(t, forbidden(strings.ReplaceAll(got.text+got.html, "\n", " ")), name)
		for _, mark := range []string{"<", ">", `"`} {
			require.Equal(t, strings.Count(want.html, mark), strings.Count(got.html, mark), name)
		}
		require.NotContains(t, got.text+got.html, "evil.example.com", "a mail program would make a link of it")
	}
}

func TestItemThatCannotBeToldIsAnError(t *testing.T) {
	_, _, err := notifier(t).Render(digest(func(l *lifecycle.Letter) { l.Recipient.Role = "janitor" }))
	require.ErrorContains(t, err, "neither the partner's nor the customer's")
}

func TestDigestCountsInTheReadersDays(t *testing.T) {
	l := digest(func(l *lifecycle.Letter) {
		l.Items = l.Items[:1]
		l.Recorded = instant(t, "2027-01-30 14:30") // 23:30 in Tokyo
		l.Items[0].End = l.Recorded.Add(2 * time.Hour)
	})
	require.Contains(t, rendered(t, notifier(t), l).said(), "today")
	l.Recipient.TimeZone = "Asia/Tokyo"
	require.Contains(t, rendered(t, notifier(t), l).said(), "tomorrow")
}
