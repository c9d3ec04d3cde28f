package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A ProvisioningStore is what the page of relationships that wait for another system reads.
type ProvisioningStore interface {
	// ProvisioningOrders lists what another system is asked to do, by the keys of the relationships.
	ProvisioningOrders(ctx context.Context, q lifecycle.ProvisioningQuery) ([]lifecycle.ProvisioningOrder, error)
}

const (
	provisioningPath   = "/console/provisioning"
	provisioningOnPage = 50
)

func (c *Console) addProvisioning() {
	c.get(provisioningPath, listProvisioning)
	c.addAct(provisioningPath+"/{id}/retry", lifecycle.Manage, askRetry, func(v *visit, _ string) (next, told string, err error) {
		id := lifecycle.CanonicalID(v.Request.PathValue("id"))
		err = v.ask(http.MethodPost, "/v1/provisioning/"+url.PathEscape(id)+"/retry", nil, nil)
		return provisioningPath, v.T("provisioning.retried"), err
	})
}

// provisioning is what the page shows.
type provisioning struct {
	Stuck       bool // only those that have waited for too long
	External    bool // another system is asked
	StuckAfter  lifecycle.Period
	Rows        []waitingRow
	First, Next string
}

// A waitingRow is a relationship that waits for another system.
type waitingRow struct {
	lifecycle.ProvisioningOrder
	Long bool // longer than the policy thinks it should
}

// Path is where the other system is asked again.
func (r *waitingRow) Path() string {
	return provisioningPath + "/" + url.PathEscape(r.Relationship.ID) + "/retry"
}

func listProvisioning(v *visit) error {
	asked, policy := v.Request.URL.Query(), v.console.Policy
	page := provisioning{Stuck: asked.Get("stuck") != "", External: policy.Provisioning.External, StuckAfter: policy.Provisioning.StuckAfter}
	here := url.Values{}
	q := lifecycle.ProvisioningQuery{After: number(asked, "after"), Limit: provisioningOnPage + 1}
	if page.Stuck {
		here.Set("stuck", "yes")
		if q.Before = policy.StuckBefore(v.Now); q.Before.IsZero() { // nothing ever is
			return v.show("provisioning", &page)
		}
	}
	orders, err := v.console.Store.ProvisioningOrders(v.Request.Context(), q)
	if err != nil {
		return err
	}
	if q.After > 0 {
		page.First = withQuery(provisioningPath, here)
	}
	if len(orders) > provisioningOnPage {
		orders = orders[:provisioningOnPage]
		here.Set("after", strconv.FormatInt(orders[provisioningOnPage-1].Key, 10))
		page.Next = withQuery(provisioningPath, here)
	}
	for i := range orders {
		page.Rows = append(page.Rows, waitingRow{orders[i], orders[i].Stuck(policy, v.Now)})
	}
	return v.show("provisioning", &page)
}

func askRetry(v *visit) (confirmation, error) {
	orders, err := v.console.Store.ProvisioningOrders(v.Request.Context(),
		lifecycle.ProvisioningQuery{Relationship: lifecycle.CanonicalID(v.Request.PathValue("id")), Limit: 1})
	if err != nil {
		return confirmation{}, err
	}
	if len(orders) == 0 {
		return confirmation{}, &overtaken{provisioningPath, v.T("provisioning.over")}
	}
	row, pages := waitingRow{ProvisioningOrder: orders[0]}, v.console.pages[v.Lang]
	facts := []fact{{v.T("relationships.name"), data(row.Relationship.DisplayName)}, {v.T("relationships.customer"), data(customerText(row.Relationship.Customer))},
		{v.T("provisioning.what"), v.word("provision", string(row.What()))}, {v.T("provisioning.since"), pages.instant(row.Since)},
		{v.T("notices.attempts"), pages.words.write(row.Attempts)}}
	if row.LastError != "" {
		facts = append(facts, fact{v.T("channels.last"), data(row.LastError)})
	}
	return confirmation{Title: v.T("provisioning.retry.title"), Text: v.T("provisioning.retry.text"), Facts: facts, Path: row.Path(), Back: provisioningPath,
		Button: v.T("provisioning.retry.button")}, nil
}
