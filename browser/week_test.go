package browser

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/testenv"
)

// The week begins on a Monday. On the Saturday before everything is imported, and nobody looks until Monday.
var (
	weekBegins   = time.Date(2026, 5, 30, 8, 0, 0, 0, time.UTC)
	weekMonday   = weekBegins.AddDate(0, 0, 2)
	weekBreakers = "breakers:\n  end-term: {records: 3, percent: 0, least: 0}\n  release-name: {records: 2, percent: 0, least: 0}\n"
)

// The relationships of the week, by the numbers of their ids.
const (
	weekendFirst, weekendMany = 1, 5 // they end on the Sunday, more than the breaker lets through
	oldFirst, oldMany         = 11, 3
	helpdesk                  = 21 // Contoso's
	everything                = 22 // Fabrikam's, with Global Administrator
	wanted                    = 23 // Litware's, not yet approved
	draft                     = 24
	renewalFirst, renewalMany = 100, 60 // they end within the month; each tenth holds Global Administrator
)

// A week is a deployment in which time passes, and somebody who looks after it.
type week struct {
	*deployment
	stop     func()
	operator *desk
	mail     *mailbox
	reading  string // the token of somebody who may only look
	queue    string // what carries work to workers
}

// An operator's week with the console: what they come to, what they press, and what becomes of it, by the HTTP interface as well. It is worked
// through twice: in English on a file, in one process, and in Japanese on PostgreSQL and Redis, in a process for each part.
// `make test-browser BROWSER='-run OperatorsWeek -steps /some/folder'` keeps a picture of every page.
func TestAnOperatorsWeek(t *testing.T) {
	t.Run("English", func(t *testing.T) { newWeek(t, "en", "in-process", &deployment{}).work(t) })
	t.Run("Japanese", func(t *testing.T) {
		redis := testenv.Redis(t)
		newWeek(t, "ja", redis, &deployment{parts: []string{"worker", "scheduler", "api"}, env: []string{"TENURE_DB=" + testenv.Postgres(t), "TENURE_REDIS=" + redis}}).work(t)
	})
}

func (w *week) work(t *testing.T) {
	for _, day := range []struct {
		name string
		work func(*week, *desk)
	}{{"Monday", (*week).monday}, {"Tuesday", (*week).tuesday}, {"Wednesday", (*week).wednesday}, {"Thursday", (*week).thursday}, {"Friday", (*week).friday}} {
		if !t.Run(day.name, func(t *testing.T) { day.work(w, w.operator.in(t)) }) {
			return // what comes next stands on it
		}
	}
}

// newWeek begins one on a deployment that stands on something and has nothing yet.
func newWeek(t *testing.T, language, queue string, on *deployment) *week {
	t.Helper()
	built, err := program()
	require.NoError(t, err)
	w := &week{deployment: on, mail: openMailbox(t), queue: queue}
	w.dir, w.program = t.TempDir(), built
	w.env = append(w.env, "TENURE_POLICY="+filepath.Join(w.dir, "week.yaml"), "TENURE_CHANNEL=mail=smtp://"+w.mail.address+"#tls=none")
	w.languageCookie, w.themeCookie = consoleLanguageCookie, consoleThemeCookie
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "week.yaml"), []byte(weekBreakers), 0o600))
	require.NoError(t, errors.Join(
		write(filepath.Join(w.dir, "relationships.ndjson"), writeWeek),
		write(filepath.Join(w.dir, "contacts.ndjson"), writeWeekContacts)))
	w.must(t, "migrate", "--sandbox", "--at", weekBegins.Format(time.RFC3339))
	w.must(t, "import", "contacts.ndjson", "relationships.ndjson")
	w.token = strings.TrimSpace(w.must(t, "token", "create", "Ada of operations", "--scope", "manage"))
	w.reading = strings.TrimSpace(w.must(t, "token", "create", "Rui of support", "--scope", "read"))
	t.Cleanup(w.end)
	w.pass(t, "P2D")
	w.operator = sitDown(t, w.deployment, look{view: desktop, language: language, theme: "light"}, "week-"+language)
	return w
}

func (w *week) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.run(args...)
	require.NoError(t, err)
	return out
}

// pass lets time pass while nobody serves, and serves again. What is due then is found by the sweeps of the server.
func (w *week) pass(t *testing.T, by string) {
	t.Helper()
	w.end()
	_, err := w.run("clock", "advance", "--by", by, "--step", by)
	if err != nil {
		require.ErrorContains(t, err, "is held")
	}
	w.stop, err = w.begin()
	require.NoError(t, err)
}

// end ends what still serves.
func (w *week) end() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// writeWeek writes the relationships of the week, a JSON object a line.
func writeWeek(to io.Writer) error {
	encode := json.NewEncoder(to)
	one := func(i int, name, customer, status string, more object) error {
		r := object{"id": relationshipID(i), "displayName": name, "duration": "P730D", "autoExtendDuration": "PT0S", "status": status,
			"partner": object{"tenantId": partner}, "customer": object{"tenantId": weekCustomer(i), "displayName": customer},
			"accessDetails":   object{"unifiedRoles": []object{{"roleDefinitionId": plainRoles[i%len(plainRoles)]}}},
			"createdDateTime": weekBegins.AddDate(-2, 0, -20), "lastModifiedDateTime": weekBegins.AddDate(-2, 0, 0)}
		for name, value := range more {
			r[name] = value
		}
		return encode.Encode(r)
	}
	ends := func(at time.Time) object {
		return object{"endDateTime": at, "activatedDateTime": at.AddDate(0, 0, -730)}
	}
	admin := func(o object) object {
		o["accessDetails"], o["autoExtendDuration"] = object{"unifiedRoles": []object{{"roleDefinitionId": globalAdministrator}, {"roleDefinitionId": plainRoles[0]}}}, "P180D"
		return o
	}
	var faults []error
	for i := range weekendMany {
		faults = append(faults, one(weekendFirst+i, fmt.Sprintf("Weekend %d", i+1), fmt.Sprintf("Alpine Ski House %d", i+1), "active", ends(weekBegins.AddDate(0, 0, 1).Add(time.Duration(i)*time.Hour))))
	}
	for i := range oldMany {
		over := weekBegins.AddDate(-1, 0, 1).Add(time.Duration(i) * time.Hour)
		faults = append(faults, one(oldFirst+i, fmt.Sprintf("Long ago %d", i+1), "Woodgrove Bank", "expired", ends(over)))
	}
	faults = append(faults,
		one(helpdesk, "Contoso helpdesk", "Contoso", "active", ends(weekMonday.AddDate(0, 0, 20))),
		one(everything, "Fabrikam full rights", "Fabrikam", "active", admin(ends(weekMonday.AddDate(0, 0, 25)))),
		one(wanted, "Litware licences", "Litware", "approvalPending", object{"lockedDateTime": weekBegins.AddDate(0, 0, -10), "lastModifiedDateTime": weekBegins.AddDate(0, 0, -10)}),
		one(draft, "Proseware draft", "Proseware", "created", nil))
	for i := range renewalMany {
		o := ends(weekMonday.AddDate(0, 0, 8+i%20).Add(time.Duration(i) * time.Minute))
		if i%10 == 0 {
			o = admin(o)
		}
		faults = append(faults, one(renewalFirst+i, fmt.Sprintf("Renewal %02d", i), fmt.Sprintf("Tailspin Toys %02d", i), "active", o))
	}
	return errors.Join(faults...)
}

func weekCustomer(i int) string { return fmt.Sprintf("%08x-1111-4111-8111-111111111111", i) }

// writeWeekContacts writes whom the partner and two customers have. The others have nobody.
func writeWeekContacts(to io.Writer) error {
	encode := json.NewEncoder(to)
	return errors.Join(
		encode.Encode(object{"tenantId": partner, "role": "adminAgent", "mail": "agents@partner.example", "displayName": "Admin agents", "preferredLanguage": "en"}),
		encode.Encode(object{"tenantId": weekCustomer(helpdesk), "role": "globalAdministrator", "mail": "it@contoso.example", "displayName": "IT desk", "preferredLanguage": "en"}),
		encode.Encode(object{"tenantId": weekCustomer(everything), "role": "globalAdministrator", "mail": "yuki@fabrikam.example", "displayName": "佐藤 雪", "preferredLanguage": "ja"}))
}

// shown is a relationship as the HTTP interface has it.
type shownRelationship struct {
	DisplayName, Status, AutoExtendDuration string
	EndDateTime                             time.Time
	Etag                                    string `json:"@odata.etag"`
}

func (w *week) relationship(t *testing.T, i int) (r shownRelationship) {
	t.Helper()
	require.NoError(t, w.ask("/v1.0/tenantRelationships/delegatedAdminRelationships/"+relationshipID(i), &r))
	return r
}

// Monday: is all well? A sweep of what ended over the weekend is held, and so is one of names. One is right, the other is not.
func (w *week) monday(o *desk) {
	t := o.t
	o.act("coming to work", 200, func(ctx context.Context) error { return o.tab.travel(ctx, w.url+"/") })
	require.Equal(t, "/console/sign-in?next=%2F", o.seen.visit.path)
	o.fill("Token", "tnr_notone")
	o.clickTo("Sign in", 401)
	require.Equal(t, "/console/sign-in", o.seen.visit.path)
	o.signIn(w.token)
	o.awaits("1 thing needs attention")
	o.reads("Sweep held", "Objective: 99.9% within 5 minutes", "Database: answers")
	o.reads("Queue (" + w.queue + "): answers")
	due, link := o.figure("Due now")
	require.Equal(t, strconv.Itoa(weekendMany+oldMany), due)
	o.open(link)
	require.Equal(t, weekendMany+oldMany, o.rows(), "the number is that of its list")
	o.back()
	o.click("Names come free")
	o.reads("The name of what has ended can be taken again.", "Next ticks", "Objective: 99.9% within 20 minutes")
	o.back()

	// Two rules at once are too much to decide on: it is dropped, and each is looked at by itself.
	o.click("Open")
	o.reads("More would change than a breaker lets through", "Terms end", "Names come free", "too many")
	o.click("Cancel the sweep")
	o.click("Cancel the sweep")
	o.reads("is cancelled")
	first := w.sweepByHand(o, "Terms end")
	o.by(phone).open("/") // on the way to the train
	o.awaits("Sweep held")
	o.click("Open")
	require.Equal(t, first, o.seen.visit.path)
	o.click("Approve")
	o.fill("Reason", "   ")
	o.clickTo("Approve", 422)
	o.reads("Give a reason")
	o.fill("Reason", "they have all moved to the new contract")
	o.click("Approve")
	o.reads("is approved, and begins")
	o.awaits("they have all moved to the new contract")
	o.until(first, "Done")
	o.reads("Changed " + strconv.Itoa(weekendMany))
	o.by(desktop)
	for i := range weekendMany {
		require.Equal(t, "expired", w.relationship(t, weekendFirst+i).Status)
	}

	o.open(first + "/reject") // somebody else's second thought, in another tab
	require.Equal(t, first, o.seen.visit.path)
	o.reads("Sweep " + path.Base(first) + " needs no decision any more. It is: Done. Nothing was changed.")

	second := w.sweepByHand(o, "Names come free")
	o.click("Reject")
	o.fill("Reason", "legal wants these names kept")
	o.click("Reject")
	o.reads("is rejected; its rules are paused", "legal wants these names kept")
	o.click("Today")
	o.reads("All is well", "Names come free paused")
	due, _ = o.figure("Due now")
	require.Equal(t, "0", due, "what is paused is not waited for")
	held, link := o.figure("On hold")
	require.Equal(t, strconv.Itoa(oldMany), held)
	o.open(link)
	require.Equal(t, oldMany, o.rows(), "the number is that of its list")
	require.NotEqual(t, first, second)
}

// sweepByHand asks for a sweep of one rule, which its breaker holds, and answers with its page.
func (w *week) sweepByHand(o *desk, rule string) string {
	o.t.Helper()
	o.click("Sweeps")
	o.click(rule)
	o.click("Plan a sweep of this rule")
	o.awaits("too many")
	o.reads("What it would do now", "What is too much is held until somebody approves it")
	o.click("Sweep for real")
	o.awaits("More would change than a breaker lets through")
	return o.seen.visit.path
}

// Tuesday: what ends within the month is to be extended, all but two; what holds Global Administrator cannot be.
func (w *week) tuesday(o *desk) {
	t := o.t
	w.pass(t, "P1D")
	w.comeIn(o)
	o.click("Ahead")
	o.awaits("The next 12 months, by week")
	o.click("Expiring relationships")
	const page = 50
	for _, bucket := range []struct {
		name string
		n    int
	}{{"Within 1 day 0 0%", 0}, {"Within 7 days 0 0%", 0}, {"Within 30 days 62 100%", page}, {"Later 0 0%", 0}, {"Ended within the last year 5 7%", weekendMany}} {
		o.click(bucket.name)
		require.Equal(t, bucket.n, o.rows(), bucket.name)
	}
	o.open("/console/ahead/expiring")
	o.click("Next page")
	require.Equal(t, renewalMany+2-page, o.rows())
	o.fill("Customer or name", "toys 07")
	o.click("Show")
	require.Equal(t, 1, o.rows())
	o.fill("Customer or name", "nobody at all")
	o.click("Show")
	o.reads("There is none.")

	status, sheet := o.fetch("GET", "/console/downloads/expiring.csv?within=30", "")
	require.Equal(t, 200, status)
	rows, err := csv.NewReader(strings.NewReader(sheet)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+renewalMany+2)

	o.open("/console/ahead/expiring")
	o.click("Switch on…") // without having chosen any
	o.reads("Choose at least one relationship of the list", "Within 30 days")
	o.tick("Of all that this list holds, on every page")
	o.tick("Dry run: decide, and change nothing")
	o.click("Switch on…")
	o.reads("Switch auto-extend on for 62 relationships?", "Nothing is changed.")
	o.click("Start the dry run")
	o.until(o.seen.visit.path, "Done")
	w.jobFigures(o, 7, 55)
	require.Equal(t, "PT0S", w.relationship(t, renewalFirst+1).AutoExtendDuration, "it was a dry run")

	o.open("/console/ahead/expiring")
	o.tick("Of all that this list holds, on every page")
	o.click("Switch on…")
	o.click("Switch on")
	o.until(o.seen.visit.path, "Done")
	w.jobFigures(o, 7, 55)
	o.click("Refused")
	o.reads("Renewal 10", "Fabrikam full rights")
	require.Contains(t, o.text(), "it holds Global Administrator", "results are kept in English")
	require.Equal(t, "P180D", w.relationship(t, renewalFirst+1).AutoExtendDuration)

	o.open("/console/ahead/expiring?q=toys+0")
	o.tick("Renewal 01")
	o.tick("Renewal 02")
	o.click("Switch off…")
	o.reads("Switch auto-extend off for 2 relationships?")
	o.click("Switch off")
	o.until(o.seen.visit.path, "Done")
	w.jobFigures(o, 0, 2)
	require.Equal(t, "PT0S", w.relationship(t, renewalFirst+1).AutoExtendDuration)
	o.click("Bulk jobs")
	require.Equal(t, 3, o.rows())
}

// jobFigures wants a bulk job to have gone so.
func (w *week) jobFigures(o *desk, refused, changed int) {
	o.t.Helper()
	n, _ := o.figure("Refused")
	require.Equal(o.t, strconv.Itoa(refused), n)
	n, _ = o.figure("Changed")
	require.Equal(o.t, strconv.Itoa(changed), n)
}

// comeIn opens the first page, and signs in if the night was too long for the session.
func (w *week) comeIn(o *desk) {
	o.t.Helper()
	o.act("coming to work", 200, func(ctx context.Context) error { return o.tab.travel(ctx, w.url+"/") })
	if strings.HasPrefix(o.seen.visit.path, "/console/sign-in") {
		o.signIn(w.token)
	}
	require.Equal(o.t, "/", o.seen.visit.path)
}

// Wednesday: customers call.
func (w *week) wednesday(o *desk) {
	t := o.t
	w.pass(t, "P1D")
	w.comeIn(o)

	// Contoso gives a mail address, and wants to know why its relationship goes on.
	o.click("Relationships")
	o.fill("Find one", "it@contoso.example")
	o.click("Find")
	require.Equal(t, 1, o.rows())
	o.click("Contoso helpdesk")
	o.reads("Active", "Timeline", "In plain words", "To come", "Extended until", "Auto-extend switched on")
	past := script[int](o, `document.querySelectorAll(".life .dot:not(.ahead)").length`)
	ahead := script[int](o, `document.querySelectorAll(".life .dot.ahead").length`)
	require.Positive(t, past, "what was is on the line")
	require.Positive(t, ahead, "and what will be, on the same")

	// It asks for a pause; then for none.
	o.click("Put on hold")
	o.fill("Reason", "  ")
	o.clickTo("Put on hold", 422)
	o.reads("Give a reason")
	o.click("Back without changing anything")
	o.strike("Put on hold") // without the mouse
	o.reach("Reason")
	o.types("they are merging tenants")
	o.strike("Put on hold")
	o.reads("is on hold", "they are merging tenants")
	o.click("Release the hold")
	o.fill("Reason", "the merger is off")
	o.click("Release the hold")
	o.reads("is released")
	require.False(t, o.offers("Release the hold"))

	// It is not to be extended after all: somebody else was quicker.
	o.click("Switch auto-extend off")
	o.reads("Who is told Nobody")
	w.patch(t, helpdesk, "PT0S")
	o.clickTo("Switch auto-extend off", 412)
	o.reads("It has changed since you looked at it")
	require.Equal(t, "PT0S", w.relationship(t, helpdesk).AutoExtendDuration)
	o.click("Back without changing anything")
	o.click("Switch auto-extend on")
	o.click("Switch auto-extend on")
	require.Equal(t, "P180D", w.relationship(t, helpdesk).AutoExtendDuration)
	o.click("Switch auto-extend off") // a mistake is taken back as it was made
	o.click("Switch auto-extend off")
	require.Equal(t, "PT0S", w.relationship(t, helpdesk).AutoExtendDuration)

	// Then it wants to leave. The button is pressed twice, and the browser's back button after that.
	o.click("Terminate")
	o.reads("Status afterwards Terminated", "Who is told Admin agents (1), Global administrators (1)")
	o.fill("Reason", "they have another provider")
	o.click("Terminate")
	o.reads("is terminated", "they have another provider")
	require.Equal(t, "terminated", w.relationship(t, helpdesk).Status)
	o.back()
	o.reads("The status of the relationship is “Terminated”, which does not allow this.")
	require.False(t, o.offers("Terminate"))
	status, body := o.fetch("POST", strings.Split(o.seen.visit.path, "?")[0], "reason=pressed+again&etag=W%2F%221%22")
	require.Equal(t, 412, status)
	require.Regexp(t, o.tongue.of("It has changed since you looked at it"), body)
	o.click("Back without changing anything")
	require.False(t, o.offers("Terminate"))

	// Fabrikam is known by a part of its name, and cannot be extended before one role is gone.
	o.click("Relationships")
	o.fill("Find one", "abrika")
	o.click("Find")
	o.click("Fabrikam full rights")
	o.reads("Switched on, but never: it holds Global Administrator")
	o.click("Remove Global Administrator")
	o.fill("Reason", "as agreed on the phone")
	o.click("Remove Global Administrator")
	o.reads("holds Global Administrator no longer", "Extended until")

	o.click("Relationships")
	o.fill("Find one", "Litware licences")
	o.click("Find")
	o.reads("Approval pending")
	o.click("Approve for the customer")
	o.fill("Reason", "signed on paper")
	w.signInOnceMore(o, "Approve for the customer")
	require.Equal(t, "approvalPending", w.relationship(t, wanted).Status)
	require.Equal(t, "signed on paper", script[string](o, `document.querySelector("textarea").value`), "what was typed is still there")
	o.click("Approve for the customer")
	o.reads("is approved")
	require.Equal(t, "active", w.relationship(t, wanted).Status)

	o.open("/console/relationships/" + relationshipID(draft))
	o.click("Delete the draft")
	o.fill("Reason", "nobody wants it")
	o.click("Delete the draft")
	o.reads("is deleted")
	o.open("/console/relationships/" + relationshipID(draft))
	o.reads("This draft was deleted")

	o.click("Relationships")
	o.fill("Find one", "there is no such thing")
	o.click("Find")
	o.reads("Nothing has this name or id")
}

// signInOnceMore presses a button after the session has ended in another tab. Nothing is done, and who has signed in again is back where they were.
func (w *week) signInOnceMore(o *desk, button string) {
	o.t.Helper()
	form, _, _ := strings.Cut(o.seen.visit.path, "?")
	o.fetch("POST", "/console/sign-out", "")
	o.clickTo(button, 401)
	o.reads("Sign in first; nothing was changed.")
	o.click("Sign in")
	o.signIn(w.token)
	here, _, _ := strings.Cut(o.seen.visit.path, "?")
	require.Equal(o.t, form, here)
}

// patch switches auto-extend over the HTTP interface.
func (w *week) patch(t *testing.T, i int, to string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPatch, w.url+"/v1.0/tenantRelationships/delegatedAdminRelationships/"+relationshipID(i), strings.NewReader(`{"autoExtendDuration":"`+to+`"}`))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-Match", w.relationship(t, i).Etag)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// Thursday: no mail can leave for a while, and there are customers of whom nobody is told.
func (w *week) thursday(o *desk) {
	t := o.t
	w.pass(t, "P1D")
	w.comeIn(o)
	o.open("/console/channels")
	o.click("Switch off")
	o.fill("Reason", "the mail server is moved")
	o.click("Switch off")
	o.reads("The channel mail is off.")
	o.open("/")
	o.reads("1 thing needs attention", "Channel off", "off, nothing is sent")
	o.click("Open")
	o.click("Switch on")
	o.fill("Reason", "it has been moved")
	o.click("Switch on")
	o.reads("The channel mail is on.")
	o.open("/")
	o.reads("All is well")

	// Whom nobody reaches is told afterwards.
	missing, link := o.figure("Notices without recipient")
	require.NotEqual(t, "0", missing)
	o.open(link)
	o.reads("nobody to tell")
	o.click("Contacts")
	o.click("Add a contact")
	o.reads("offered to whoever is added here")
	o.fill("Mail address", "not an address")
	script[any](o, `document.querySelector("main form[method=post]").noValidate = true`)
	o.clickTo("Save", 422)
	require.Regexp(t, o.tongue.of("is no mail address; write it like ann@example.com"), script[string](o, `document.querySelector("[role=alert]").innerText`))
	o.fill("Mail address", "it@alpine.example")
	o.click("Save")
	o.reads("it@alpine.example is added.", "that had nobody to go to")
	o.click("Contacts")
	o.lacks(weekCustomer(weekendFirst) + " Global administrators 1") // who has somebody now

	// What could be said is read as it was sent.
	o.open("/console/notices?status=sent")
	o.click("Term ended")
	o.reads("As it was sent", "Accepted by the channel")

	// The others shall hear nothing of it; one of them shall, after all.
	o.open("/console/notices?status=noRecipient")
	left := o.rows()
	require.Positive(t, left)
	o.click("Suppress") // without having chosen any
	o.reads("Select the notices first")
	o.tick("Select all on this page")
	o.click("Suppress")
	o.reads(fmt.Sprintf("Suppress %d notices?", left))
	o.fill("Reason", "they have all been phoned")
	o.click(fmt.Sprintf("Suppress %d", left))
	o.reads(fmt.Sprintf("%d notices are suppressed.", left))
	o.open("/console/notices?status=suppressed")
	require.Equal(t, left, o.rows())
	o.click("Contacts")
	o.reads("Every notice has found somebody.")
	o.open("/")
	n, _ := o.figure("Notices without recipient")
	require.Equal(t, "0", n)
	w.mailFails(o)
}

// mailFails has a mail server that knows nobody for a while. What was given up meanwhile is sent afterwards: one letter as it is, the other after second thoughts.
func (w *week) mailFails(o *desk) {
	t := o.t
	o.until("/console/notices?status=queued", "There are no such notices.")
	before := map[string]int{}
	for _, who := range []string{"agents@partner.example", "yuki@fabrikam.example"} {
		before[who] = len(w.mail.to(who))
	}
	w.mail.refuse(true)
	o.open("/console/relationships/" + relationshipID(everything))
	o.click("Terminate")
	o.fill("Reason", "the contract is over")
	o.click("Terminate")
	o.reads("is terminated")
	o.open("/")
	o.awaits("1 thing needs attention")
	o.awaits("Notices given up: 2")
	dead, link := o.figure("Notices given up")
	require.Equal(t, "2", dead)
	o.click("Open")
	require.Equal(t, 2, o.rows(), "the number is that of its list")
	o.open(link)
	require.Equal(t, 2, o.rows(), "and so is that of the figure")

	o.click("Terminated")
	o.reads("Given up", "there is nobody of that name")
	first := o.seen.visit.path
	w.mail.refuse(false)
	w.order(o, "Retry", "Send 1 notice again?", "Retry 1", "1 notice is sent again.")
	o.until(first, "Accepted by the channel")

	o.open(link)
	require.Equal(t, 1, o.rows())
	o.click("Terminated")
	second := o.seen.visit.path
	w.order(o, "Suppress", "Suppress 1 notice?", "Suppress 1", "1 notice is suppressed.")
	w.order(o, "Release", "Release 1 notice?", "Release 1", "1 notice is released.")
	o.until(second, "Accepted by the channel")
	for who, n := range before {
		require.Len(t, w.mail.to(who), n+1, "%s has one letter of it", who)
	}
	o.open("/")
	o.reads("All is well")
}

// order has something done to the notice whose page is shown.
func (w *week) order(o *desk, what, asks, button, told string) {
	o.t.Helper()
	o.click(what)
	o.reads(asks)
	o.fill("Reason", "the mail server knows them again")
	o.click(button)
	o.reads(told)
}

// Friday: the queue is emptied, a rule is resumed, and the books are looked at.
func (w *week) friday(o *desk) {
	t := o.t
	w.pass(t, "P1D")
	w.comeIn(o)
	// A dry run first, and then the names that legal has looked at.
	o.click("Sweeps")
	o.click("Names come free")
	o.reads("legal wants these names kept", "Paused")
	o.click("Resume")
	o.reads("legal wants these names kept")
	o.fill("Reason", "legal does not mind")
	o.click("Resume")
	o.reads("goes on")
	o.click("New sweep")
	o.tick("Warnings warn-expiry")
	o.click("Show what would happen")
	o.awaits("Counted at")
	o.reads("What a real one would do now", "Names come free 3")
	o.click("Start the dry run")
	dry := o.seen.visit.path
	o.until(dry, "Would change 3")
	o.reads("Dry run", "Names come free")

	o.click("Queue")
	o.reads("tenure-sweeps Sweeps and their chunks In use")
	o.click("tenure-sweeps")
	o.click("Pause")
	o.fill("Reason", "the workers are replaced")
	o.click("Pause")
	o.reads("Paused")
	o.click("Resume")
	o.fill("Reason", "they are there again")
	o.click("Resume")
	o.reads("In use")
	status, _ := o.fetch("POST", "/console/queue/tenure-sweeps/drain", "reason=as+of+old")
	require.Contains(t, []int{0, 303}, status, "a drained queue loses nothing")

	// Who did what.
	o.click("Activity")
	o.reads("Terminated", "they have another provider", "Ada of operations")
	o.choose("What happened", "Imported")
	o.click("Show")
	o.lacks("they have another provider")
	_, log := o.fetch("GET", "/console/downloads/activity.csv", "")
	entries, err := csv.NewReader(strings.NewReader(log)).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(entries), renewalMany)
	_, lines := o.fetch("GET", "/console/downloads/activity.ndjson", "")
	require.Equal(t, len(entries)-1, strings.Count(lines, "\n"), "both tables have the same")
	for happened, why := range map[string]string{"Sweep approved": "they have all moved to the new contract", "Sweep rejected": "legal wants these names kept"} {
		o.choose("What happened", happened)
		o.click("Show")
		o.reads(why)
	}
	o.click("Operators")
	for _, did := range []string{"the mail server is moved", "they have all been phoned", "the workers are replaced"} {
		o.reads(did)
	}
	w.numbers(o)
	w.look(o)

	o.click("Sign out")
	o.reads("You have signed out.")
	o.back()
	require.True(t, strings.HasPrefix(o.seen.visit.path, "/console/sign-in?next="), o.seen.visit.path)
	o.lacks("Fabrikam")
}

// numbers opens the list behind each number of Analytics, and the tables that are downloaded.
func (w *week) numbers(o *desk) {
	t := o.t
	o.click("Analytics")
	o.awaits("Counted at")
	here := o.seen.visit.path
	all := ""
	for _, name := range []string{"Relationships", "Customers", "Ending within 60 days", "Approval pending", "Active with Global Administrator"} {
		n, link := o.figure(name)
		n, _, _ = strings.Cut(n, " ")
		if link == "" {
			require.Equal(t, "0", n, "%s leads nowhere", name)
			continue
		}
		o.open(link)
		require.Equal(t, n, strconv.Itoa(o.count(link)), "%s: the number is that of its list %s", name, link)
		o.open(here)
		if name == "Relationships" {
			all = n
		}
	}
	rows := script[[][]string](o, `[...document.querySelectorAll("main tbody tr")].map((tr) => [tr.querySelector("th").textContent.trim(), tr.querySelector("td.number").textContent.trim(), tr.querySelector("th a").getAttribute("href")])`)
	require.Greater(t, len(rows), 120, "two charts have a row for each day")
	for _, row := range rows {
		require.Equal(t, row[1], strconv.Itoa(o.count(row[2])), "%s: the number is that of its list %s", row[0], row[2])
	}

	o.click("Relationships")
	for sheet, n := range map[string]string{script[string](o, `document.querySelector("a[download]").getAttribute("href")`): all, "/console/downloads/ahead.csv": "366"} {
		_, text := o.fetch("GET", sheet, "")
		lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		require.Equal(t, n, strconv.Itoa(len(lines)-1), sheet)
	}
}

// forAnybody are the forms that everybody who may look has.
var forAnybody = []string{"/console/sign-in", "/console/sign-out", "/console/preferences", "/console/analytics/count", "/console/ahead/count"}

// look has somebody who may only look send every form that the operator has had, and some that they have not. None is taken, and nothing changes.
func (w *week) look(o *desk) {
	t := o.t
	reader := sitDown(t, w.deployment, o.look, o.name+"-reader")
	reader.act("coming to work", 200, func(ctx context.Context) error { return reader.tab.travel(ctx, w.url+"/") })
	reader.signIn(w.reading)
	sent := maps.Clone(o.forms)
	for _, more := range []string{"/console/sweeps/everything/hold", "/console/sweeps/everything/release", "/console/contacts/remove", "/console/ahead/bulk/1/cancel",
		"/console/queue/tenure-sweeps/run", "/console/queue/tenure-sweeps/clear", "/console/relationships/" + relationshipID(renewalFirst) + "/do/terminate"} {
		sent[more] = ""
	}
	before := w.books(t)
	for address, fields := range sent {
		if slices.Contains(forAnybody, address) {
			continue
		}
		status, said := reader.fetch("POST", address, strings.TrimPrefix(fields+"&reason=by+hand", "&"))
		require.Equal(t, 403, status, "%s: %s", address, said)
	}
	require.Equal(t, before, w.books(t), "nothing has changed")
	t.Logf("%d forms were refused", len(sent))
	for _, page := range []string{"/", "/console/sweeps", "/console/rules/end-term", "/console/relationships/" + relationshipID(renewalFirst), "/console/notices", "/console/channels", "/console/contacts",
		"/console/queue/tenure-sweeps", "/console/ahead/expiring", "/console/analytics"} {
		reader.open(page)
		for address := range script[map[string]string](reader, formsShown) {
			require.Contains(t, forAnybody, address, page)
		}
	}
}

// books is what the HTTP interface has of what people may change.
func (w *week) books(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, path := range []string{"/v1.0/tenantRelationships/delegatedAdminRelationships?$top=300", "/v1/holds", "/v1/contacts", "/v1/notices?limit=200", "/v1/bulk", "/v1/activity?limit=200"} {
		var answer any
		require.NoError(t, w.ask(path, &answer))
		all[path] = answer
	}
	return all
}
