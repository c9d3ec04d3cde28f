package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	bulkPath     = aheadPath + "/bulk"
	bulkResults  = 50
	bulkListPage = 50
)

// A bulkJob is a bulk job as the HTTP interface shows it.
type bulkJob struct {
	ID         int64     `json:"id"`
	Action     string    `json:"action"`
	AutoExtend string    `json:"autoExtendDuration"`
	Filter     string    `json:"filter"`
	DryRun     bool      `json:"dryRun"`
	By         string    `json:"by"`
	State      string    `json:"state"`
	Found      int64     `json:"found"`
	Changed    int64     `json:"changed"`
	Unchanged  int64     `json:"unchanged"`
	Refused    int64     `json:"refused"`
	Asked      time.Time `json:"askedDateTime"`
	Finished   time.Time `json:"finishedDateTime"`
}

// Running says whether it goes on.
func (j bulkJob) Running() bool { return j.State == string(lifecycle.BulkRunning) }

// A bulkResult is what became of one relationship.
type bulkResult struct {
	ID      string `json:"relationshipId"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`

	Name, Customer string
}

// bulkOutcomes are in the order in which results are shown: what failed comes first.
var bulkOutcomes = []string{string(lifecycle.BulkRefused), string(lifecycle.BulkChanged), string(lifecycle.BulkUnchanged)}

// bulk is what the page of a job shows.
type bulk struct {
	bulkJob
	Outcome     string // only those; empty: all
	Outcomes    []string
	Results     []bulkResult
	First, Next string
}

// Path is where the page stands.
func (b bulk) Path() string { return fmt.Sprintf("%s/%d", bulkPath, b.ID) }

func (c *Console) addBulk() {
	c.get(bulkPath, listBulk)
	c.get(bulkPath+"/{id}", func(v *visit) error {
		b, err := c.bulkOf(v)
		if err != nil {
			return err
		}
		return v.show("bulk", b)
	})
	c.get("/console/live/ahead/bulk/{id}", func(v *visit) error {
		b, err := c.bulkOf(v)
		if err != nil {
			return err
		}
		return v.live("bulk", func() any {
			if again, err := c.bulkOf(v); err == nil {
				b = again // or else as it was
			}
			return b
		})
	})
	c.form(bulkPath+"/{id}/cancel", lifecycle.Manage, func(v *visit) error { return v.confirm(v.confirmCancel()) })
	c.post(bulkPath+"/{id}/cancel", lifecycle.Manage, func(v *visit) error {
		c := v.confirmCancel()
		if err := v.ask(http.MethodPost, "/v1/bulk/"+url.PathEscape(v.Request.PathValue("id"))+"/cancel", nil, nil); err != nil {
			return v.confirmAgain(c, err)
		}
		return v.done(c.Back, v.T("bulk.cancelled", "id", v.Request.PathValue("id")))
	})
}

func (v *visit) confirmCancel() confirmation {
	id := v.Request.PathValue("id")
	path := bulkPath + "/" + url.PathEscape(id)
	return confirmation{Title: v.T("bulk.cancelTitle", "id", id), Text: v.T("bulk.cancelText"), Path: path + "/cancel", Back: path, Button: v.T("bulk.cancel"), Danger: true}
}

// listBulk shows the jobs, the latest first.
func listBulk(v *visit) error {
	var list struct {
		Jobs []bulkJob `json:"jobs"`
		Next string    `json:"next"`
	}
	before := v.Request.FormValue("before")
	asked := url.Values{"limit": {strconv.Itoa(bulkListPage)}}
	if before != "" {
		asked.Set("before", before)
	}
	if err := v.ask(http.MethodGet, "/v1/bulk?"+asked.Encode(), nil, &list); err != nil {
		return err
	}
	shown := map[string]any{"Jobs": list.Jobs, "First": "", "Next": ""}
	if before != "" {
		shown["First"] = bulkPath
	}
	if list.Next != "" {
		shown["Next"] = bulkPath + "?before=" + strconv.FormatInt(list.Jobs[len(list.Jobs)-1].ID, 10)
	}
	return v.show("bulklist", shown)
}

// bulkOf reads a job, and a page of results.
func (c *Console) bulkOf(v *visit) (b bulk, err error) {
	path := "/v1/bulk/" + url.PathEscape(v.Request.PathValue("id"))
	if err := v.ask(http.MethodGet, path, nil, &b.bulkJob); err != nil {
		return b, err
	}
	b.Outcomes = bulkOutcomes
	if b.Outcome = v.Request.FormValue("outcome"); !slices.Contains(bulkOutcomes, b.Outcome) {
		b.Outcome = ""
	}
	if err := b.read(v, path+"/results"); err != nil {
		return b, err
	}
	return b, c.nameResults(v, b.Results)
}

// read fills a page, one outcome after the other. A place is an outcome, and after which of its results to go on.
func (b *bulk) read(v *visit, path string) error {
	outcomes := bulkOutcomes
	if b.Outcome != "" {
		outcomes = []string{b.Outcome}
	}
	after := ""
	if from := slices.Index(outcomes, v.Request.FormValue("from")); from >= 0 {
		outcomes, after = outcomes[from:], v.Request.FormValue("after")
		b.First = b.place("", "")
	}
	for i, outcome := range outcomes {
		if len(b.Results) == bulkResults {
			b.Next = b.place(outcome, "0")
			break
		}
		var page struct {
			Results []bulkResult `json:"results"`
			Next    string       `json:"next"`
		}
		asked := url.Values{"outcome": {outcome}, "limit": {strconv.Itoa(bulkResults - len(b.Results))}}
		if i == 0 && after != "" {
			asked.Set("after", after)
		}
		if err := v.ask(http.MethodGet, path+"?"+asked.Encode(), nil, &page); err != nil {
			return err
		}
		b.Results = append(b.Results, page.Results...)
		if next, err := url.Parse(page.Next); err == nil && page.Next != "" {
			b.Next = b.place(outcome, next.Query().Get("after"))
			break
		}
	}
	return nil
}

// place is the address of a page of results.
func (b *bulk) place(from, after string) string {
	values := url.Values{}
	for name, value := range map[string]string{"outcome": b.Outcome, "from": from, "after": after} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return b.Path()
	}
	return b.Path() + "?" + values.Encode()
}

// nameResults adds what people know relationships by. Those that are gone keep their ids.
func (c *Console) nameResults(v *visit, results []bulkResult) error {
	if len(results) == 0 {
		return nil
	}
	wanted := lifecycle.Among{Field: lifecycle.FieldID}
	for i := range results {
		wanted.Values = append(wanted.Values, lifecycle.Value{Text: results[i].ID})
	}
	found, err := c.Store.Relationships(v.Request.Context(), lifecycle.RelationshipQuery{Filter: wanted})
	for i := range found {
		for j := range results {
			if results[j].ID == found[i].ID {
				results[j].Name, results[j].Customer = found[i].DisplayName, found[i].Customer.DisplayName
			}
		}
	}
	return err
}
