package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// relationship is what the page of one shows: it as it is now, whether or not a sweep has come by.
type relationship struct {
	*lifecycle.Dossier
	Now         lifecycle.Decision // with what is due by now
	PartnerName string
	ETag        string
	Held        bool
	Assignments []lifecycle.Assignment // as they are when what is due has happened
	Operations  []operation
	Story       []storySection
	Past        []moment // the latest first
	More        bool     // there are older ones than are shown
	Ahead       []moment
	Line        *line
	Actions     []offer
	Path        string
}

// An operation is work that takes its time, as the HTTP interface tells of it.
type operation struct {
	ID              string    `json:"id"`
	OperationType   string    `json:"operationType"`
	Status          string    `json:"status"`
	CreatedDateTime time.Time `json:"createdDateTime"`
}

// A storySection is a part of what the HTTP interface has to say about a relationship.
type storySection struct {
	Name      string `json:"name"`
	Heading   string `json:"heading"`
	Sentences []struct {
		Text     string    `json:"text"`
		DateTime time.Time `json:"dateTime"`
		Policy   *struct {
			Key    string `json:"key"`
			Value  string `json:"value"`
			Source string `json:"source"`
		} `json:"policy"`
	} `json:"sentences"`
}

func (c *Console) addRelationship() {
	const one = relationshipsPath + "/{id}"
	c.get(one, showRelationship)
	c.form(one+"/do/{action}", lifecycle.Manage, func(v *visit) error {
		a, err := v.asked()
		if err != nil {
			return err
		}
		return v.confirm(a.confirmation(v))
	})
	c.post(one+"/do/{action}", lifecycle.Manage, act)
}

func showRelationship(v *visit) error {
	page, err := v.relationship()
	if err != nil {
		return err
	}
	if page.Story, err = v.story(page.ID); err != nil {
		return err
	}
	if page.Operations, err = v.operations(page); err != nil {
		return err
	}
	page.Past, page.More = v.past(page.Dossier)
	page.Ahead = v.ahead(&page.Now.Record)
	page.Line = v.line(page)
	if v.May(lifecycle.Manage) && page.Gone.IsZero() {
		page.Actions = v.offers(page)
	}
	return v.show("relationship", page)
}

// relationship reads the one that the path names.
func (v *visit) relationship() (*relationship, error) {
	d, err := v.console.Store.Dossier(v.Request.Context(), lifecycle.CanonicalID(v.Request.PathValue("id")))
	if err != nil {
		return nil, err
	}
	page := &relationship{Dossier: &d, PartnerName: v.console.Policy.Notices.Partners[d.Partner], Path: relationshipsPath + "/" + url.PathEscape(d.ID)}
	if !d.Gone.IsZero() {
		return page, nil
	}
	page.Now = lifecycle.Evaluate(d.Record, v.console.Policy, v.Now)
	page.ETag = etag(page.Now.Record.Version)
	page.Held = page.Now.Record.HeldUp(v.console.Policy)
	page.Assignments = slices.Clone(d.Assignments)
	for i := range page.Assignments {
		if page.Now.TakeAway != "" && page.Assignments[i].Status.Live() {
			page.Assignments[i].Status = page.Now.TakeAway
		}
	}
	return page, nil
}

// story asks why the relationship is as it is, in the visitor's language; nothing where nobody explains.
func (v *visit) story(id string) ([]storySection, error) {
	var told struct {
		Sections []storySection `json:"sections"`
	}
	err := v.ask(http.MethodGet, "/v1/relationships/"+url.PathEscape(id)+"/explain?lang="+string(v.Lang), nil, &told)
	var refused *refusal
	if errors.As(err, &refused) {
		return nil, nil
	}
	return told.Sections, err
}

// operations asks for the long-running work on a relationship, where there may be any.
func (v *visit) operations(page *relationship) ([]operation, error) {
	kinds := []lifecycle.EventType{lifecycle.EventReassigned, lifecycle.EventGlobalAdministratorRemoved}
	if !page.Gone.IsZero() || !slices.ContainsFunc(page.Events, func(e lifecycle.Event) bool { return slices.Contains(kinds, e.Type) }) {
		return nil, nil
	}
	var told struct {
		Value []operation `json:"value"`
	}
	err := v.ask(http.MethodGet, graphPath(page.ID)+"/operations", nil, &told)
	return told.Value, err
}

// graphPath is where the HTTP interface has a relationship.
func graphPath(id string) string {
	return "/v1.0/tenantRelationships/delegatedAdminRelationships/" + url.PathEscape(id)
}

// Name is what it is called.
func (r *relationship) Name() string { return cmp.Or(r.DisplayName, r.ID) }

// Record is it as it is now.
func (r *relationship) Record() *lifecycle.Record { return &r.Now.Record }

// ExtendText is the key of what is said of its extension.
func (r *relationship) ExtendText() string {
	switch now := &r.Now.Record; {
	case now.Extends():
		return "relationships.extend.on"
	case now.AutoExtend:
		return "relationship.neverExtended"
	}
	return "relationships.extend.off"
}

// Of are the holds that are in force and are about this relationship, the tenants, or the rule that comes next.
func (r *relationship) Of() []lifecycle.Hold {
	return slices.DeleteFunc(slices.Clone(r.Holds), func(h lifecycle.Hold) bool {
		return !h.Active() || h.Kind == lifecycle.HoldRule && h.Subject != string(r.Now.Next.Rule)
	})
}
