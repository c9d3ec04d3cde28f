package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// TestExamplesOfTheReferenceAreTrue runs every example of docs/http.md, in order, and compares what it shows with what comes.
// An ellipsis at the end of a text stands for the rest of it, and of headers and plain text only what is shown is compared.
func TestExamplesOfTheReferenceAreTrue(t *testing.T) {
	reference, err := os.ReadFile("../docs/http.md")
	require.NoError(t, err)
	w := exampleWorld(t)
	examples := regexp.MustCompile("(?s)```console\n\\$ (.*?)```").FindAllStringSubmatch(string(reference), -1)
	require.Len(t, examples, 32)
	require.Equal(t, len(examples), strings.Count(string(reference), "curl ")-strings.Count(string(reference), "`curl "), "an example is not in a console block")
	for _, e := range examples {
		command, shown, _ := strings.Cut(strings.ReplaceAll(e[1], "\\\n", " "), "\n")
		t.Run(command, func(t *testing.T) { w.tryExample(t, command, shown) })
	}
}

// exampleWorld is in the state that the reference shows.
func exampleWorld(t *testing.T) *world {
	w := newWorld(t, checks(Check{"database", always(nil)}, Check{"redis", always(syscall.ECONNREFUSED)}))
	for hour := range 40 {
		opened := noon.Truncate(time.Hour).Add(time.Duration(hour-3) * time.Hour)
		w.fake.sweeps = append(w.fake.sweeps, lifecycle.Sweep{ID: int64(hour + 1), Rules: []lifecycle.RuleName{"warn-expiry"}, Cut: true,
			Trigger: lifecycle.TriggerSchedule, State: lifecycle.SweepDone, AsOf: opened, OpenedAt: opened, FinishedAt: opened.Add(10 * time.Millisecond)})
	}
	opened := noon.Truncate(time.Hour).Add(-time.Hour)
	w.fake.sweeps = append(w.fake.sweeps, lifecycle.Sweep{ID: 41, Trigger: lifecycle.TriggerCatchUp, State: lifecycle.SweepDone, Cut: true,
		AsOf: opened, OpenedAt: opened, FinishedAt: opened.Add(4250 * time.Millisecond), Chunks: 3, ChunksDone: 3,
		Tally: lifecycle.Tally{Found: 2500, Changed: 2494, Skipped: 5, Failed: 1, Notices: 4988, Lateness: 36*time.Hour + 500*time.Millisecond}})
	w.fake.failures = map[int64][]lifecycle.Failure{41: {{Sweep: 41, RelationshipID: "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001",
		Reason: "the record cannot be read: duration is missing", At: opened.Add(3 * time.Second)}}}
	w.fake.chunks = 4
	w.fake.notices = map[string]map[lifecycle.NoticeStatus]int64{"mail": {lifecycle.NoticeDead: 1}}
	w.exampleNotices()
	records(w)
	w.server.policy.Notices.Partners = map[string]string{partner: "Northwind"}
	w.fake.backlogs = []lifecycle.Backlog{{Rule: "end-term", Due: 31, Oldest: noon.Add(-90 * time.Second)}}
	return w
}

// exampleNotices are the directory and the outbox that the reference shows.
func (w *world) exampleNotices() {
	const relationship = "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-00000000000"
	at := func(hour, minute, second int) time.Time {
		return time.Date(2026, 3, 2, hour, minute, second, 0, time.UTC)
	}
	agents := lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "agents@partner.example", DisplayName: "Admin agents", Language: "en",
		TimeZone: "Europe/Berlin", Digest: lifecycle.DailyDigest}
	desk := lifecycle.Contact{TenantID: contoso, Role: lifecycle.GlobalAdministrators, Mail: "it@contoso.example", DisplayName: "IT desk", Language: "ja", TimeZone: "Asia/Tokyo"}
	w.fake.contacts, w.fake.offered = []lifecycle.Contact{agents}, 3
	w.fake.unreached = []lifecycle.Unreached{{Audience: lifecycle.Audience{TenantID: contoso, Role: lifecycle.GlobalAdministrators}, Notices: 3, Latest: at(9, 0, 0)}}

	ended, yesterday := at(12, 0, 0).Add(-24*time.Hour), at(12, 0, 3).Add(-24*time.Hour)
	item := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: 1043, Version: 5, Ordinal: 1}, Kind: lifecycle.KindTermEnded, Channel: "mail", Recipient: agents,
		End: ended, Due: ended, Recorded: yesterday, Status: lifecycle.NoticeDigested, SettledAt: at(7, 0, 1), Digest: lifecycle.NoticeID{Version: 17, Ordinal: 1},
		Relationship: lifecycle.Record{ID: relationship + "2"}}
	digest := lifecycle.Letter{NoticeID: item.Digest, Kind: lifecycle.KindDigest, Channel: "mail", Recipient: agents, Due: at(7, 0, 0), Recorded: at(7, 0, 1),
		Status: lifecycle.NoticeSent, Attempts: 1, SentAt: at(7, 0, 2), SettledAt: at(7, 0, 2), MessageID: "<0-17-1@tenure.example>",
		Message: []byte("From: tenure <tenure@tenure.example>\r\n"), Items: []lifecycle.Letter{item}}
	dead := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: 1042, Version: 7, Ordinal: 1}, Kind: lifecycle.KindWarnExpiry, Stage: lifecycle.Days(7), Channel: "mail",
		Recipient: desk, End: at(12, 0, 0).Add(7 * 24 * time.Hour), Due: at(12, 0, 0), Recorded: at(12, 0, 4), Status: lifecycle.NoticeDead, Attempts: 1,
		LastError: "it answered to RCPT: 550 5.1.1 <the address>: no such user", SettledAt: at(12, 0, 9), Relationship: lifecycle.Record{ID: relationship + "1"}}
	another := dead
	another.Key = 1044
	w.fake.letters = []lifecycle.Letter{digest, dead, item, another}
	w.fake.states = []lifecycle.ChannelReport{{ChannelState: lifecycle.ChannelState{Name: "crm", Off: true, Failures: 1, LastError: "410 Gone", ChangedAt: at(11, 30, 0)},
		Statuses: map[lifecycle.NoticeStatus]int64{lifecycle.NoticeQueued: 12}}}
}

// words are those of a shell command: bare, in single quotes, or in double quotes with $TENURE_TOKEN.
var words = regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`)

// tryExample does what curl would, of the few options that the reference uses.
func (w *world) tryExample(t *testing.T, command, shown string) {
	r, err := http.NewRequest("GET", "http://unset", nil)
	require.NoError(t, err)
	args, headersShown, body := words.FindAllStringSubmatch(command, -1), false, ""
	for i := 1; i < len(args); i++ {
		arg := func() string {
			i++
			return os.Expand(args[i][1]+args[i][2]+args[i][3], func(string) string { return w.token })
		}
		switch args[i][0] {
		case "-i":
			headersShown = true
		case "-X":
			r.Method = arg()
		case "-H":
			name, value, _ := strings.Cut(arg(), ": ")
			r.Header.Set(name, value)
		case "-d":
			body = arg()
			if r.Method == http.MethodGet {
				r.Method = http.MethodPost
			}
			require.NotEmpty(t, r.Header.Get("Content-Type"), "curl would send a form")
		default:
			i--
			path, ok := strings.CutPrefix(arg(), "http://localhost:8080")
			require.True(t, ok, command)
			r.URL, err = r.URL.Parse(w.url + path)
			require.NoError(t, err)
		}
	}
	r.Host, r.Body, r.ContentLength = "localhost:8080", io.NopCloser(strings.NewReader(body)), int64(len(body))
	if r.Header.Get("Authorization") == "" { // it is meant for a deployment without tokens
		tokens := w.fake.tokens
		w.fake.tokens = nil
		defer func() { w.fake.tokens = tokens }()
	}
	w.compare(t, w.send(r), headersShown, shown)
}

func (w *world) compare(t *testing.T, got reply, headersShown bool, shown string) {
	if headersShown {
		head, rest, _ := strings.Cut(shown, "\n\n")
		for i, line := range strings.Split(head, "\n") {
			if i == 0 {
				require.Equal(t, line, fmt.Sprintf("HTTP/1.1 %d %s", got.status, http.StatusText(got.status)))
				continue
			}
			name, value, _ := strings.Cut(line, ": ")
			require.Equal(t, value, got.header.Get(name), name)
		}
		shown = rest
	}
	if shown == "" {
		require.Less(t, got.status, 300, "%s", got.body)
		return
	}
	var want, have any
	if json.Unmarshal([]byte(shown), &want) == nil {
		require.NoError(t, json.Unmarshal(got.body, &have))
		require.Equal(t, want, asShown(have, want), "%s", got.body)
		return
	}
	for line := range strings.Lines(shown) {
		require.Contains(t, string(got.body), line)
	}
}

// asShown is have, cut short wherever shown is.
func asShown(have, shown any) any {
	switch shown := shown.(type) {
	case string:
		if begin, cut := strings.CutSuffix(shown, "…"); cut && strings.HasPrefix(fmt.Sprint(have), begin) {
			return shown
		}
	case map[string]any:
		if have, ok := have.(map[string]any); ok {
			for name := range have {
				have[name] = asShown(have[name], shown[name])
			}
		}
	case []any:
		if have, ok := have.([]any); ok {
			for i := range min(len(have), len(shown)) {
				have[i] = asShown(have[i], shown[i])
			}
		}
	}
	return have
}
