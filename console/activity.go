package console

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	activityPath  = "/console/activity"
	deedsPath     = activityPath + "/operators"
	downloadsPath = "/console/downloads/"
	activityPage  = 100 // on one page of a list
)

func (c *Console) addActivity() {
	c.get(activityPath, listActivity)
	c.get(deedsPath, listDeeds)
	c.get(downloadsPath+"activity.csv", func(v *visit) error { return downloadActivity(v, "csv") })
	c.get(downloadsPath+"activity.ndjson", func(v *visit) error { return downloadActivity(v, "ndjson") })
}

// An activity is something that happened to a relationship, or that somebody was refused.
type activity struct {
	RelationshipID string              `json:"relationshipId"`
	Type           lifecycle.EventType `json:"type"`
	Recorded       time.Time           `json:"recordedDateTime"`
	Effective      time.Time           `json:"effectiveDateTime"`
	From           lifecycle.Status    `json:"from"`
	To             lifecycle.Status    `json:"to"`
	Reason         string              `json:"reason"`
	Rule           string              `json:"rule"`
	Actor          string              `json:"actor"`
	Caller         activityCaller      `json:"caller"`
	Action         string              `json:"action"`
	Subject        string              `json:"subject"`
	Detail         string              `json:"detail"`
}

type activityCaller struct {
	Name      string `json:"name"`
	TenantID  string `json:"tenantId"`
	Role      string `json:"role"`
	Address   string `json:"address"`
	RequestID string `json:"requestId"`
}

// Refused says whether somebody asked for it and did not get it.
func (a *activity) Refused() bool { return a.Type == lifecycle.EventRefused }

// Late says whether it was done long enough after it fell due to say so.
func (a *activity) Late() bool { return a.Recorded.Sub(a.Effective) >= time.Second }

// An activityFilter says what is listed, as the address has it and the form shows it.
type activityFilter struct {
	Relationship, Type, Actor, Caller, Request string
	Refused                                    bool   // of operators
	From, To                                   string // days, the last one included
	After                                      string
}

func readActivityFilter(asked url.Values) *activityFilter {
	text := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	return &activityFilter{Relationship: text("relationship"), Type: text("type"), Actor: text("actor"), Caller: text("caller"), Request: text("request"),
		Refused: text("refused") != "", From: text("from"), To: text("to"), After: text("after")}
}

// values are the filter as an address of ours has it.
func (f *activityFilter) values() url.Values {
	v := nonEmpty("relationship", f.Relationship, "type", f.Type, "actor", f.Actor, "caller", f.Caller, "request", f.Request, "from", f.From, "to", f.To)
	if f.Refused {
		v.Set("refused", "true")
	}
	return v
}

// wire is the filter as the HTTP interface has it.
func (f *activityFilter) wire() url.Values {
	return nonEmpty("relationship", f.Relationship, "type", f.Type, "actor", f.Actor, "caller", f.Caller, "requestId", f.Request,
		"since", instantOf(f.From, 0), "before", instantOf(f.To, 1))
}

// deeds is the filter of deeds with where a page begins.
func (f *activityFilter) deeds() url.Values {
	v := f.wire()
	v.Set("limit", strconv.Itoa(activityPage))
	if f.After != "" {
		v.Set("after", f.After)
	}
	return v
}

// links are the first page and the next, where there are such; next is the address that the HTTP interface names.
func (f *activityFilter) links(path, next string) (string, string) {
	here, first := f.values(), ""
	if f.After != "" {
		first = withQuery(path, here)
	}
	place := after(next)
	if place == "" {
		return first, ""
	}
	here.Set("after", place)
	return first, withQuery(path, here)
}

// activities are what the list of activities shows.
type activities struct {
	Filter *activityFilter
	Rows   []activity
	Fault  string // why nothing is listed
	Pager  pager
}

// Types are what may happen.
func (*activities) Types() []lifecycle.EventType { return lifecycle.EventTypes }

// Actors are the sides that may do it.
func (*activities) Actors() []lifecycle.Actor { return lifecycle.Actors }

// CSV and NDJSON are where everything that the filter leaves is downloaded.
func (a *activities) CSV() string { return withQuery(downloadsPath+"activity.csv", a.Filter.values()) }

// NDJSON is the same with a JSON object on each line.
func (a *activities) NDJSON() string {
	return withQuery(downloadsPath+"activity.ndjson", a.Filter.values())
}

func listActivity(v *visit) error {
	page := activities{Filter: readActivityFilter(v.Request.URL.Query())}
	next, further, err := v.lookAmong(page.Filter.After, activityPage, func(place string, limit, among int) (int, string, error) {
		var answer struct {
			Activities []activity `json:"activities"`
			Next       string     `json:"next"`
		}
		err := v.ask(http.MethodGet, withQuery("/v1/activity", aPage(page.Filter.wire(), place, limit, among)), nil, &answer)
		page.Rows = append(page.Rows, answer.Activities...)
		return len(answer.Activities), after(answer.Next), err
	})
	if err != nil {
		return v.listRefused("activity", &page, &page.Fault, err)
	}
	page.Pager = v.pager(activityPath, page.Filter.values(), page.Filter.After, next, further)
	return v.show("activity", &page)
}

// A deed is what somebody asked of the deployment itself.
type deed struct {
	At      time.Time      `json:"dateTime"`
	Caller  activityCaller `json:"caller"`
	What    string         `json:"what"`
	Subject string         `json:"subject"`
	Status  int            `json:"status"`
	Detail  string         `json:"detail"`
	Times   int64          `json:"times"`
}

// Refused says whether it was not done; Unsure, whether nobody knows.
func (d *deed) Refused() bool { return d.Status >= http.StatusBadRequest && !d.Unsure() }

// Unsure says whether it may have been done although the answer was an error.
func (d *deed) Unsure() bool { return d.Status >= http.StatusInternalServerError }

// Key is the name of the phrase that says what it was.
func (d *deed) Key() string { return "deed." + strings.ReplaceAll(d.What, " ", "-") }

// deeds are what the list of deeds shows.
type deeds struct {
	Filter      *activityFilter
	Rows        []deed
	Fault       string // why nothing is listed
	First, Next string
}

// Beside is where what the same caller asked about relationships is listed.
func (d *deeds) Beside() string {
	return withQuery(activityPath, nonEmpty("caller", d.Filter.Caller, "from", d.Filter.From, "to", d.Filter.To))
}

func listDeeds(v *visit) error {
	page := deeds{Filter: readActivityFilter(v.Request.URL.Query())}
	query := page.Filter.deeds()
	for _, of := range []string{"relationship", "type", "actor"} { // which deeds do not have
		query.Del(of)
	}
	if page.Filter.Refused {
		query.Set("refused", "true")
	}
	var answer struct {
		Deeds []deed `json:"deeds"`
		Next  string `json:"next"`
	}
	if err := v.ask(http.MethodGet, withQuery("/v1/deeds", query), nil, &answer); err != nil {
		return v.listRefused("deeds", &page, &page.Fault, err)
	}
	page.Rows = answer.Deeds
	page.First, page.Next = page.Filter.links(deedsPath, answer.Next)
	return v.show("deeds", &page)
}

// downloadActivity hands on the export of the HTTP interface as it comes: a cookie does not open that, and it may be long.
func downloadActivity(v *visit, form string) error {
	filter := readActivityFilter(v.Request.URL.Query())
	r, err := v.request(http.MethodGet, withQuery("/v1/activity."+form, filter.wire()), nil, nil)
	if err != nil {
		return err
	}
	name := "activity-" + v.Now.UTC().Format("20060102-150405") + "." + form
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	v.console.Door.Ask(&attachment{v.w}, r, v.Session)
	return nil
}

// An attachment is an answer that is saved, unless it says why there is none.
type attachment struct{ http.ResponseWriter }

// WriteHeader has a refusal shown.
func (a *attachment) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		a.Header().Del("Content-Disposition")
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (a *attachment) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Who is the caller, as far as they are known.
func (c activityCaller) Who() string { return cmp.Or(c.Name, c.Role) }
