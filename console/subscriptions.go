package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	subscriptionsPath   = "/console/subscriptions"
	subscriptionsOnPage = 50
)

func (c *Console) addSubscriptions() {
	c.get(subscriptionsPath, listSubscriptions)
	c.addAct(subscriptionsPath+"/{id}/remove", lifecycle.Manage, askRemoval, func(v *visit, _ string) (next, told string, err error) {
		id := v.Request.PathValue("id")
		err = v.ask(http.MethodDelete, "/v1/subscriptions/"+url.PathEscape(id), nil, nil)
		return subscriptionsPath, v.T("subscriptions.removed", "id", id), err
	})
}

// subscriptions are what the page shows.
type subscriptions struct {
	Tenant      string // the filter
	Rows        []subscription
	First, Next string
}

// A subscription is a program that is told of what happens, as the HTTP interface shows it, and how it fares.
type subscription struct {
	ID       int64     `json:"id"`
	TenantID string    `json:"tenantId"`
	URL      string    `json:"url"`
	Kinds    []string  `json:"kinds"`
	Name     string    `json:"channel"`
	By       string    `json:"createdBy"`
	Created  time.Time `json:"createdDateTime"`

	Channel channel `json:"-"` // that it is told by
	Of      *tenant `json:"-"` // nil: it is told of all
}

// Path is where it is removed.
func (s *subscription) Path() string {
	return subscriptionsPath + "/" + strconv.FormatInt(s.ID, 10) + "/remove"
}

func listSubscriptions(v *visit) error {
	asked := v.Request.URL.Query()
	page := subscriptions{Tenant: strings.ToLower(strings.TrimSpace(asked.Get("tenant")))}
	all, err := v.subscriptions()
	if err != nil {
		return err
	}
	place := number(asked, "after")
	all = slices.DeleteFunc(all, func(s subscription) bool { return s.ID <= place || page.Tenant != "" && s.TenantID != page.Tenant })
	here := nonEmpty("tenant", page.Tenant)
	if place > 0 {
		page.First = withQuery(subscriptionsPath, here)
	}
	if len(all) > subscriptionsOnPage {
		all = all[:subscriptionsOnPage]
		here.Set("after", strconv.FormatInt(all[subscriptionsOnPage-1].ID, 10))
		page.Next = withQuery(subscriptionsPath, here)
	}
	page.Rows = all
	if err := v.withTenants(page.Rows); err != nil {
		return err
	}
	return v.show("subscriptions", &page)
}

// subscriptions asks for all of them, each with how its channel fares.
func (v *visit) subscriptions() ([]subscription, error) {
	var all struct {
		Subscriptions []subscription `json:"subscriptions"`
	}
	if err := v.ask(http.MethodGet, "/v1/subscriptions", nil, &all); err != nil {
		return nil, err
	}
	var fare channels
	if err := v.ask(http.MethodGet, "/v1/channels", nil, &fare); err != nil {
		return nil, err
	}
	by := map[string]channel{}
	for _, c := range fare.Channels {
		by[c.Name] = c
	}
	for i := range all.Subscriptions {
		s := &all.Subscriptions[i]
		s.Channel = by[s.Name]
	}
	return all.Subscriptions, nil
}

// withTenants adds what their tenants are called.
func (v *visit) withTenants(rows []subscription) error {
	var ids []string
	for i := range rows {
		if id := rows[i].TenantID; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	known, err := v.tenants(ids)
	for i := range rows {
		rows[i].Of = known[rows[i].TenantID]
	}
	return err
}

func askRemoval(v *visit) (confirmation, error) {
	all, err := v.subscriptions()
	if err != nil {
		return confirmation{}, err
	}
	i := slices.IndexFunc(all, func(s subscription) bool { return strconv.FormatInt(s.ID, 10) == v.Request.PathValue("id") })
	if i < 0 {
		return confirmation{}, &overtaken{subscriptionsPath, v.T("subscriptions.gone", "id", v.Request.PathValue("id"))}
	}
	s := all[i]
	whose := v.T("subscriptions.all")
	if s.TenantID != "" {
		whose = s.TenantID
	}
	pages := v.console.pages[v.Lang]
	facts := []fact{{v.T("subscriptions.whose"), whose}, {v.T("subscriptions.address"), data(s.URL)}, {v.T("subscriptions.created"), pages.instant(s.Created)},
		{v.T("subscriptions.waiting"), pages.words.write(s.Channel.Queued + s.Channel.Failed + s.Channel.Dead)}}
	return confirmation{Title: v.T("subscriptions.remove", "id", s.ID), Text: v.T("subscriptions.removeText"), Facts: facts, Path: s.Path(), Back: subscriptionsPath,
		Button: v.T("subscriptions.removeButton"), Danger: true}, nil
}
