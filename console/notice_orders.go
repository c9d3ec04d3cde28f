package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

const noticeOrdersPath = noticesPath + "/order"

func (c *Console) addNoticeOrders() {
	c.form(noticeOrdersPath, lifecycle.Manage, func(v *visit) error {
		o, err := v.noticeOrder(v.Request.URL.Query())
		if err != nil {
			return err
		}
		return v.confirmOrder(o, nil)
	})
	c.post(noticeOrdersPath, lifecycle.Manage, orderNotices)
}

// A noticeOrder is what is to be done to which notices: to those with these ids, or to all that a filter leaves.
type noticeOrder struct {
	action lifecycle.NoticeAction
	ids    []string
	filter *noticeFilter // nil: there are ids
}

// noticeOrder reads one: action and id, or all, the action for all of the filter beside it.
func (v *visit) noticeOrder(sent url.Values) (*noticeOrder, error) {
	o := &noticeOrder{action: lifecycle.NoticeAction(sent.Get("action")), ids: sent["id"]}
	if all := sent.Get("all"); all != "" {
		o.action, o.ids, o.filter = lifecycle.NoticeAction(all), nil, readNoticeFilter(sent)
	}
	if _, err := o.action.Way(); err != nil {
		return nil, &refusal{http.StatusBadRequest, err.Error()}
	}
	if o.filter == nil && len(o.ids) == 0 {
		return nil, &overtaken{withQuery(noticesPath, readNoticeFilter(sent).Values()), v.T("notices.noneSelected")}
	}
	return o, nil
}

// fields are the order as a form sends it along unseen, ids with commas between.
func (o *noticeOrder) fields() map[string]string {
	if o.filter == nil {
		return map[string]string{"action": string(o.action), "ids": strings.Join(o.ids, ",")}
	}
	fields := map[string]string{"all": string(o.action)}
	for name, values := range o.filter.Values() {
		fields[name] = values[0]
	}
	return fields
}

// body is the order as the HTTP interface wants it.
func (o *noticeOrder) body(reason string, dryRun bool) map[string]any {
	body := map[string]any{"action": o.action, "reason": reason, "dryRun": dryRun}
	if o.filter == nil {
		body["ids"] = o.ids
		return body
	}
	filter := map[string]any{}
	for name, values := range o.filter.wire() {
		switch name {
		case "after", "limit": // the pages that are not looked at are meant too
		case "status", "kind":
			filter[name] = values
		default:
			filter[name] = values[0]
		}
	}
	body["filter"] = filter
	return body
}

// back is the page on which the order was given.
func (o *noticeOrder) back() string {
	switch {
	case o.filter != nil:
		return withQuery(noticesPath, o.filter.Values())
	case len(o.ids) == 1:
		return noticesPath + "/" + url.PathEscape(o.ids[0])
	}
	return noticesPath
}

// An orderAnswer says what became of an order, or would.
type orderAnswer struct {
	Changed int64 `json:"changed"`
	Refused []struct {
		ID     string `json:"id"`
		Reason string `json:"reason"`
		sentence
	} `json:"refused"`
}

// left says why some are left as they are, each reason once.
func (v *visit) left(a *orderAnswer) string {
	var reasons []string
	for _, r := range a.Refused {
		why, ok := v.console.pages[v.Lang].told(r.sentence)
		if !ok {
			why = r.Reason
		}
		if !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	const most = 3
	return strings.Join(reasons[:min(most, len(reasons))], v.T("notices.between"))
}

// confirmOrder says how many it would be, and asks. refused is why it was not done when last tried; nil: it was not tried.
func (v *visit) confirmOrder(o *noticeOrder, refused error) error {
	var would orderAnswer
	if err := v.ask("POST", "/v1/notices/actions", o.body("dry run", true), &would); err != nil {
		return err
	}
	if would.Changed == 0 {
		return v.goTo(o.back(), &flash{false, v.T("notices.nothing", "why", cmp.Or(v.left(&would), v.T("notices.noneFit")))})
	}
	c := confirmation{Title: v.T("notices.order."+string(o.action), "n", would.Changed), Text: v.T("notices.orderText." + string(o.action)),
		Path: noticeOrdersPath, Back: o.back(), Reason: true, Button: v.T("notices.orderButton."+string(o.action), "n", would.Changed),
		Danger: o.action == lifecycle.SuppressNotice, Fields: o.fields()}
	c.Facts = append(c.Facts, fact{v.T("notices.would"), v.T("notices.count", "n", would.Changed)})
	if n := len(would.Refused); n > 0 {
		c.Facts = append(c.Facts, fact{v.T("notices.leftOut"), v.T("notices.count", "n", n) + ": " + v.left(&would)})
	}
	if refused != nil {
		return v.confirmAgain(c, refused)
	}
	return v.confirm(c)
}

func orderNotices(v *visit) error {
	if err := v.Request.ParseForm(); err != nil {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	sent := v.Request.PostForm
	if ids := sent.Get("ids"); ids != "" {
		sent["id"] = strings.Split(ids, ",")
	}
	o, err := v.noticeOrder(sent)
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return v.confirmOrder(o, err)
	}
	var done orderAnswer
	if err := v.ask("POST", "/v1/notices/actions", o.body(reason, false), &done); err != nil {
		return v.confirmOrder(o, err)
	}
	text := v.T("notices.ordered."+string(o.action), "n", done.Changed)
	if len(done.Refused) > 0 {
		text += " " + v.T("notices.left", "n", len(done.Refused), "why", v.left(&done))
	}
	if done.Changed == 0 {
		return v.goTo(o.back(), &flash{false, text})
	}
	return v.done(o.back(), text)
}

// refusalOf finds out whether an error is a refusal that a page can tell of. That somebody has to sign in first is none.
func refusalOf(err error) (explained, bool) {
	var refused explained
	ok := errors.As(err, &refused) && refused.GetStatus() != http.StatusUnauthorized
	return refused, ok
}
