package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

const switchPath = aheadPath + "/switch"

// A switching is what somebody wants to do to autoExtend of many.
type switching struct {
	On      bool
	DryRun  bool
	Filter  string // as the HTTP interface reads it
	N       int64  // how many it wants at present
	Back    string
	Several bool // all that the list holds, not some that were chosen
}

// addSwitch lets people switch autoExtend of those they have chosen in the list, or of all that it holds.
func (c *Console) addSwitch() {
	c.form(switchPath, lifecycle.Manage, func(v *visit) error {
		s, err := c.switchingOf(v)
		if err != nil {
			return err
		}
		return v.confirm(v.confirmSwitching(s))
	})
	c.post(switchPath, lifecycle.Manage, c.switchAll)
}

// switchingOf reads what was chosen. The filter is made once, so that what is done is what was shown.
func (c *Console) switchingOf(v *visit) (switching, error) {
	q := v.endQueryOf()
	s := switching{On: v.Request.FormValue("to") == "on", DryRun: v.Request.FormValue("dry") != "", Several: v.Request.FormValue("which") == "all", Back: q.path(expiringPath)}
	filter := q.filter(v.Now)
	if !s.Several {
		chosen := lifecycle.Among{Field: lifecycle.FieldID}
		for _, id := range v.Request.Form["id"] {
			chosen.Values = append(chosen.Values, lifecycle.Value{Text: strings.ToLower(id)})
		}
		if len(chosen.Values) == 0 || len(chosen.Values) > expiringPage {
			return s, &overtaken{s.Back, v.T("switch.none", "n", expiringPage)}
		}
		filter = chosen
	}
	s.Filter = c.Written(filter)
	var err error
	s.N, err = c.Store.CountRelationships(v.Request.Context(), filter)
	return s, err
}

func (v *visit) confirmSwitching(s switching) confirmation {
	to := "off"
	if s.On {
		to = "on"
	}
	fields := map[string]string{"to": to, "filter": s.Filter, "n": fmt.Sprint(s.N), "back": s.Back}
	facts := []fact{{v.T("expiring.autoExtend"), v.T("expiring."+to) + " (" + v.console.Policy.AutoExtendDuration(s.On).String() + ")"},
		{v.T("switch.number"), v.console.pages[v.Lang].words.write(s.N)}}
	if s.Several {
		fields["which"] = "all"
		facts = append(facts, fact{v.T("bulk.filter"), verbatim(s.Filter)})
	}
	text := v.T("switch.text")
	button := v.T("switch.button."+to, "n", s.N)
	if s.DryRun {
		fields["dry"] = "true"
		text, button = v.T("switch.dryText"), v.T("switch.dryButton", "n", s.N)
	}
	return confirmation{Title: v.T("switch.title."+to, "n", s.N), Text: text, Path: switchPath, Back: s.Back, Fields: fields, Facts: facts, Button: button}
}

func (c *Console) switchAll(v *visit) error {
	form := v.Request.PostFormValue
	s := switching{On: form("to") == "on", DryRun: form("dry") != "", Filter: form("filter"), Several: form("which") == "all", Back: ours(form("back"))}
	_, _ = fmt.Sscan(form("n"), &s.N) // to be shown again, and for nothing else
	var job struct {
		ID int64 `json:"id"`
	}
	asked := map[string]any{"filter": s.Filter, "autoExtendDuration": c.Policy.AutoExtendDuration(s.On).String(), "dryRun": s.DryRun}
	if err := v.ask(http.MethodPost, "/v1/bulk/auto-extend", asked, &job); err != nil {
		return v.confirmAgain(v.confirmSwitching(s), err)
	}
	return v.done(bulkPath+"/"+url.PathEscape(fmt.Sprint(job.ID)), v.T("switch.begun"))
}
