package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	noticesPath = "/console/notices"
	noticesPage = 50 // on one page of the list
)

func (c *Console) addNotices() {
	c.get(noticesPath, listNotices)
	c.get(noticesPath+"/{id}", showNotice)
	c.get(noticesPath+"/{id}/html", showNoticeHTML)
}

// A notice is one to one recipient, as the HTTP interface shows it to the visitor: for some, without addresses.
type notice struct {
	ID             string                 `json:"id"`
	RelationshipID string                 `json:"relationshipId"`
	Kind           lifecycle.NoticeKind   `json:"kind"`
	Stage          string                 `json:"stage"`
	End            time.Time              `json:"endDateTime"`
	Recipient      noticeRecipient        `json:"recipient"`
	Channel        string                 `json:"channel"`
	Endpoint       bool                   `json:"endpoint"`
	Due            time.Time              `json:"dueDateTime"`
	Recorded       time.Time              `json:"recordedDateTime"`
	Status         lifecycle.NoticeStatus `json:"status"`
	Reason         lifecycle.Reason       `json:"reason"`
	Attempts       int                    `json:"attempts"`
	Unknown        int                    `json:"unknownAttempts"`
	LastError      string                 `json:"lastError"`
	NextAttempt    time.Time              `json:"nextAttemptDateTime"`
	Sent           time.Time              `json:"sentDateTime"`
	Settled        time.Time              `json:"settledDateTime"`
	DigestAt       time.Time              `json:"digestDateTime"`
	Digest         string                 `json:"digest"`
	Note           string                 `json:"note"`
	NotedBy        string                 `json:"notedBy"`
	Erased         bool                   `json:"erased"`
}

type noticeRecipient struct {
	TenantID    string         `json:"tenantId"`
	Mail        string         `json:"mail"`
	Role        lifecycle.Role `json:"role"`
	Language    string         `json:"language"`
	TimeZone    string         `json:"timeZone"`
	DisplayName string         `json:"displayName"`
}

// Actions are what its status allows to be done to it.
func (n *notice) Actions() []lifecycle.NoticeAction { return actionsOn(n.Status) }

// actionsOn are what may be done to notices of a status.
func actionsOn(status lifecycle.NoticeStatus) (actions []lifecycle.NoticeAction) {
	for _, way := range lifecycle.NoticeWays {
		if slices.Contains(way.From, status) {
			actions = append(actions, way.Action)
		}
	}
	return actions
}

// A noticeFilter says which notices are listed, as the address has it and the form shows it.
type noticeFilter struct {
	Status, Kind, Channel, Tenant, Relationship, Mail, Digest string
	From, To                                                  string // days on which they fell due, the last one included
	After                                                     string
}

func readNoticeFilter(asked url.Values) *noticeFilter {
	text := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	return &noticeFilter{Status: text("status"), Kind: text("kind"), Channel: text("channel"), Tenant: text("tenant"), Relationship: text("relationship"),
		Mail: text("mail"), Digest: text("digest"), From: text("from"), To: text("to"), After: text("after")}
}

// Values are the filter as an address or a form of ours has it.
func (f *noticeFilter) Values() url.Values {
	return nonEmpty("status", f.Status, "kind", f.Kind, "channel", f.Channel, "tenant", f.Tenant, "relationship", f.Relationship, "mail", f.Mail,
		"digest", f.Digest, "from", f.From, "to", f.To)
}

// Narrow says whether it leaves out more than other statuses.
func (f *noticeFilter) Narrow() bool {
	v := f.Values()
	v.Del("status")
	return len(v) > 0
}

// Link is the list with another status.
func (f *noticeFilter) Link(status lifecycle.NoticeStatus) string {
	other := *f
	other.Status = string(status)
	return withQuery(noticesPath, other.Values())
}

// wire is the filter as the HTTP interface has it.
func (f *noticeFilter) wire() url.Values {
	return nonEmpty("status", f.Status, "kind", f.Kind, "channel", f.Channel, "tenantId", f.Tenant, "relationshipId", f.Relationship, "mail", f.Mail,
		"digest", f.Digest, "dueAfter", instantOf(f.From, 0), "dueBefore", instantOf(f.To, 1))
}

// page is the filter with where a page begins, how long it is, and among how many is looked.
func (f *noticeFilter) page(after string, limit, among int) url.Values {
	v := f.wire()
	return aPage(v, after, limit, among)
}

func aPage(v url.Values, after string, limit, among int) url.Values {
	v.Set("limit", strconv.Itoa(limit))
	v.Set("among", strconv.Itoa(among))
	if after != "" {
		v.Set("after", after)
	}
	return v
}

// instantOf is the first instant of a day, or of one so many days later. What is no day is left for the HTTP interface to refuse.
func instantOf(day string, later int) string {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return lifecycle.FormatInstant(at.AddDate(0, 0, later))
}

// nonEmpty makes a query of names and values in turn, of those that have one.
func nonEmpty(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// withQuery is an address.
func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// after is the place at which a page of the HTTP interface's goes on, out of the address of the next; empty on the last one.
func after(next string) string {
	u, err := url.Parse(next)
	if err != nil {
		return ""
	}
	return u.Query().Get("after")
}

// notices are what the list shows.
type notices struct {
	Filter *noticeFilter
	Counts map[lifecycle.NoticeStatus]int64 // of the statuses that want looking at
	Rows   []notice
	Fault  string // why nothing is listed
	Pager  pager
}

func listNotices(v *visit) error {
	page := notices{Filter: readNoticeFilter(v.Request.URL.Query())}
	page.Counts = v.console.glance.look(v.Request.Context(), v.Wall, v.console.Condition).Notices
	next, further, err := v.lookAmong(page.Filter.After, noticesPage, func(place string, limit, among int) (int, string, error) {
		var answer struct {
			Notices []notice `json:"notices"`
			Next    string   `json:"next"`
		}
		err := v.ask("GET", withQuery("/v1/notices", page.Filter.page(place, limit, among)), nil, &answer)
		page.Rows = append(page.Rows, answer.Notices...)
		return len(answer.Notices), after(answer.Next), err
	})
	if err != nil {
		return v.listRefused("notices", &page, &page.Fault, err)
	}
	page.Pager = v.pager(noticesPath, page.Filter.Values(), page.Filter.After, next, further)
	return v.show("notices", &page)
}

// pager makes the addresses of the other pages of a list. Where they begin is as [visit.lookAmong] has it.
func (v *visit) pager(path string, here url.Values, after, next, further string) (p pager) {
	if after != "" {
		p.First = withQuery(path, here)
	}
	if next != "" {
		here.Set("after", next)
		if v.isPatient() {
			here.Set("look", furtherWord)
		}
		p.Next = withQuery(path, here)
	}
	if further != "" {
		here.Set("after", further)
		here.Set("look", furtherWord)
		p.Further = withQuery(path, here)
	}
	return p
}

// listRefused shows a page with why there is no list: what was typed into its filter stays.
func (v *visit) listRefused(name string, page any, fault *string, err error) error {
	refused, ok := refusalOf(err)
	if !ok {
		return err
	}
	*fault = refused.Explain()
	return v.showAs(refused.GetStatus(), name, page)
}

// Statuses are those of the tabs: first what somebody should look at.
func (*notices) Statuses() []lifecycle.NoticeStatus {
	first := []lifecycle.NoticeStatus{lifecycle.NoticeDead, lifecycle.NoticeNoRecipient, lifecycle.NoticeFailed, lifecycle.NoticeQueued, lifecycle.NoticeWaiting}
	rest := slices.DeleteFunc(slices.Clone(lifecycle.NoticeStatuses), func(s lifecycle.NoticeStatus) bool { return slices.Contains(first, s) })
	return append(first, rest...)
}

// Counted says whether notices of the status are counted.
func (n *notices) Counted(status lifecycle.NoticeStatus) bool {
	return slices.Index(n.Statuses(), status) < 5
}

// Kinds are what notices may be about.
func (*notices) Kinds() []lifecycle.NoticeKind {
	return append(slices.Clone(lifecycle.NoticeKinds), lifecycle.KindDigest)
}

// Actions are what may be done to notices of the listed status, and where all are listed, what may be done to any.
func (n *notices) Actions() []lifecycle.NoticeAction {
	if n.Filter.Status != "" {
		return actionsOn(lifecycle.NoticeStatus(n.Filter.Status))
	}
	return []lifecycle.NoticeAction{lifecycle.RetryNotice, lifecycle.ReleaseNotice, lifecycle.SuppressNotice}
}
