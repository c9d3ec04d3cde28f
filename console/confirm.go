package console

import (
	"errors"
	"html/template"
	"net/http"
	"strings"
)

// mostReason is how long a reason may be, in characters, as the HTTP interface has it.
const mostReason = 500

// A confirmation is the page that comes before something is done: what will follow, and a button that does it.
type confirmation struct {
	Title, Text string
	Facts       []fact            // what it is about
	Path        string            // the form is posted there
	Back        string            // where whoever changes their mind goes
	Reason      bool              // a reason must be given, in the field "reason"
	Button      string            // what the button says
	Danger      bool              // it cannot be taken back
	Texts       []typed           // what else is to be typed in
	Fields      map[string]string // sent along unseen
	Fault       string            // why it was refused when last tried
	Closed      bool              // it cannot be done as things stand: there is no button
	Note        string            // the reason as it was typed then
}

// A fact is something that is so, and what it is called. A value is text, what data or verbatim makes of it, or other HTML of ours.
type fact struct {
	Label string
	Value any
}

// data is what people, or other systems, have written: it runs in its own direction, and is not ours to translate.
func data(text string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(text) + "</bdi>") //nolint:gosec // it is escaped
}

// verbatim is what programs read, as it stands.
func verbatim(text string) template.HTML {
	return template.HTML("<code>" + template.HTMLEscapeString(text) + "</code>") //nolint:gosec // it is escaped
}

// A typed text is asked for beside the reason, or instead of it.
type typed struct {
	Name, Label string
	Value       string // as it was typed when last tried
	Needed      bool
}

// MostReason is how long a reason may be.
func (confirmation) MostReason() int { return mostReason }

// confirm asks whether something is really wanted. Whoever had to sign in on the way has typed the reason before.
func (v *visit) confirm(c confirmation) error {
	if asked := v.Request.URL.Query(); asked.Has(typedQuery) {
		c.Note = asked.Get("reason")
	}
	return v.showAs(http.StatusOK, "confirm", c)
}

// confirmAgain asks once more, telling why it was not done and keeping what was typed. An error that is no refusal is handed on, and so is one
// that asks to sign in first.
func (v *visit) confirmAgain(c confirmation, err error) error {
	var refused explained
	if !errors.As(err, &refused) || refused.GetStatus() == http.StatusUnauthorized {
		return err
	}
	c.Fault, c.Note = v.explain(refused), v.Request.PostFormValue("reason")
	return v.showAs(refused.GetStatus(), "confirm", c)
}

// reason is the reason that was typed on the page of a confirmation. Without one, the error is a refusal for confirmAgain.
func (v *visit) reason() (string, error) {
	reason := strings.Join(strings.Fields(v.Request.PostFormValue("reason")), " ") // notes are of one line
	if reason == "" {
		return "", &refusal{http.StatusUnprocessableEntity, v.T("confirm.noReason")}
	}
	return reason, nil
}
