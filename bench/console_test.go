package bench

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	consoleRecords = flag.Int("console", setting("BENCH_CONSOLE", 0), "relationships in the world in which the console's pages are measured; 0: they are not")
	consoleURL     = flag.String("console-db", os.Getenv("BENCH_CONSOLE_DB"), "URL of a database that keeps that world for the next time; empty: one of this run")
)

const (
	consoleLimit = 100 * time.Millisecond // within which each page's first byte is to be there
	consoleTries = 7                      // at most, the quickest counts: others use the machine, too
	farther      = `rel="next" data-look` // stands in pages that have not looked at everything there is
)

// TestConsole measures how long the server takes for the first byte of each page of the console: when it is the first page that a process is
// asked for, and afterwards. It writes tables into the documents BENCH_TABLES.
func TestConsole(t *testing.T) {
	if *consoleRecords == 0 {
		t.Skip("set -console to the number of relationships")
	}
	h := openHouse(t)
	db := h.lookedAt(lookedAtWorld(*consoleRecords))
	places := db.consolePlaces()
	var b strings.Builder
	here := thisMachine()
	fmt.Fprintf(&b, "%s: %d cores (%s), %s of memory, %s; %s, %s. %s relationships, %s events, %s notices; load %s.\n", here.Date.Format("2006-01-02"), here.Cores, here.Processor,
		here.Memory, here.Disk, here.PostgreSQL, here.Go, thousands(int64(*consoleRecords)), thousands(db.number("SELECT count(*) FROM events")),
		thousands(db.number("SELECT count(*) FROM notices")), load())
	c := &consoleMeter{t: t, h: h, db: db}
	b.WriteString("Milliseconds until the first byte, the lowest of some; in brackets those of processors, in tenure and in PostgreSQL. … stands where only a part was looked through.\n")
	b.WriteString("\n| page | first page of a process | afterwards |\n|---|---:|---:|\n")
	for _, path := range consolePages {
		first, warm := c.first(places.Replace(path)), c.warm(places.Replace(path))
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", path, first, warm)
	}
	for _, l := range consoleLists {
		fmt.Fprintf(&b, "\n| `%s`", l.path)
		for _, order := range l.orders {
			fmt.Fprintf(&b, " | %s", strings.TrimPrefix(order, "sort="))
		}
		b.WriteString(" |\n|---" + strings.Repeat("|---:", len(l.orders)) + "|\n")
		for _, filter := range l.filters {
			fmt.Fprintf(&b, "| %s", strings.TrimSuffix("`"+filter+"`", "``"))
			for _, order := range l.orders {
				fmt.Fprintf(&b, " | %s", c.warm(places.Replace(l.path+"?"+strings.Trim(filter+"&"+order, "&"))))
			}
			b.WriteString(" |\n")
		}
	}
	c.stop()
	table := b.String()
	fmt.Printf("\n%s\n%s\n", table, c.summary())
	for _, path := range filepath.SplitList(os.Getenv("BENCH_TABLES")) {
		require.NoError(t, placeTable(path, table+"\n"+c.summary()))
	}
}

// lookedAt is the world, filled unless it is there.
func (h *house) lookedAt(w lookedAtWorld) *database {
	address := *consoleURL
	if address == "" {
		h.admin("CREATE DATABASE console")
		address = h.url("console")
	}
	db := h.connectTo(address)
	h.t.Cleanup(func() { _ = db.Close() })
	h.run(db.URL, "migrate")
	if db.number("SELECT count(*) FROM (SELECT 1 FROM clocks LIMIT 1) AS one") == 0 {
		began := time.Now()
		w.fill(db)
		h.t.Logf("a world of %d relationships was filled in %s", w, time.Since(began).Round(time.Second))
	}
	require.Equal(h.t, int64(w), db.number("SELECT count(*) FROM clocks"), "the database %s has another world", db.Name)
	return db
}

// consolePages are those of the console that have no filter of their own.
var consolePages = []string{
	"/", "/console/ahead", "/console/ahead/expiring", "/console/ahead/bulk", "/console/analytics", "/console/relationships",
	"/console/relationships/{relationship}", "/console/relationships/{relationship}/do/hold", "/console/relationships/find?q={relationship}",
	"/console/relationships/find?q={smallPartner}", "/console/relationships/find?q=contoso", "/console/relationships/find?q=Contoso+1234", "/console/relationships/find?q=toso+1234",
	"/console/relationships/find?q=nobody", "/console/relationships/find?q={mail}", "/console/relationships/find?q=tenant.example", "/console/relationships/find?q=nobody.example",
	"/console/holds", "/console/holds?show=tenant", "/console/holds?show=relationship", "/console/holds?show=all",
	"/console/holds/place?tenant={largePartner}", "/console/provisioning", "/console/provisioning?stuck=yes", "/console/sweeps", "/console/sweeps?show=all", "/console/sweeps?show=failed",
	"/console/sweeps/{sweep}", "/console/sweeps/new", "/console/sweeps/new?step=plan&mode=real&rule=end-term&rule=warn-expiry", "/console/sweeps/rules/end-term/pause",
	"/console/notices", "/console/notices/{notice}", "/console/channels", "/console/subscriptions", "/console/contacts",
	"/console/contacts?mail={mail}", "/console/contacts?tenant={customer}", "/console/contacts?role=adminAgent", "/console/contacts/edit?tenant={customer}&role=globalAdministrator",
	"/console/activity", "/console/activity/operators", "/console/activity/operators?refused=true", "/console/activity/operators?caller=nobody",
	"/console/analytics/roles/{commonRole}", "/console/analytics/roles/{rareRole}", "/console/analytics/roles/62e90394-69f5-4237-9190-012177145e10", "/console/queue",
}

// A consoleList is a page that lists what a filter leaves, in some order.
type consoleList struct {
	path            string
	filters, orders []string
}

var consoleLists = []consoleList{
	{"/console/relationships", append([]string{
		"", "rule=warn-expiry", "rule=release-name", "extend=on", "extend=off", "admin=with", "admin=without", "partner={largePartner}", "partner={smallPartner}", "partner={nobody}",
		"customer={largeCustomer}", "customer={customer}", "name=helpdesk", "name=helpdesk+00", "name=nobody", "due=now", "held=yes", "from={soon}&to={soon}", "from={far}", "to={past}",
	}, ofEach("status", "created", "approvalPending", "approved", "activating", "active", "expiring", "expired", "terminationRequested", "terminating", "terminated")...),
		ofEach("sort", "-arrival", "arrival", "next", "-next", "end", "-end", "name", "-name", "-modified", "modified")},
	{"/console/relationships", []string{
		"partner={largePartner}&status=created", "partner={middlePartner}&status=approvalPending", "admin=with&extend=on&status=active", "customer={largeCustomer}&status=terminated",
		"name=helpdesk&status=expired", "rule=expire-pending&extend=on", "from={far}&extend=on&admin=with", "partner={largePartner}&admin=with&from={soon}&to={soon}", "status=created&to={soon}",
	}, ofEach("sort", "-arrival", "next", "end", "name", "-modified")},
	{"/console/ahead/expiring", []string{"", "extend=on", "extend=off", "q=contoso", "q=Contoso+249", "q=00ff", "q=nobody+at+all", "q={customer}", "q={relationship}"},
		append(ofEach("within", "1", "7", "30", "later", "ended"), "day={soon}")},
	{"/console/notices", []string{"", "kind=warn-expiry", "kind=approved", "channel=chat", "channel=nowhere", "tenant={smallPartner}", "tenant={customer}", "tenant={nobody}",
		"relationship={relationship}", "mail={mail}", "mail=nobody@tenant.example", "from={recent}&to={recent}", "to=2001-01-01"},
		append([]string{"status="}, ofEach("status", "sent", "queued", "failed", "dead", "noRecipient", "suppressed", "waiting", "digested", "withdrawn")...)},
	{"/console/activity", append([]string{"", "relationship={relationship}", "caller=portal+7", "caller=auditor", "caller=nobody", "from={recent}&to={recent}", "request={request}"},
		ofEach("type", "created", "approved", "termEnded", "extended", "refused")...), append([]string{"actor="}, ofEach("actor", "partner", "customer", "system", "import")...)},
}

func ofEach(name string, values ...string) (all []string) {
	for _, value := range values {
		all = append(all, name+"="+value)
	}
	return all
}

// consolePlaces fills in what stands for something of the world.
func (db *database) consolePlaces() *strings.Replacer {
	text := func(query string) (s string) {
		db.h.t.Helper()
		require.NoError(db.h.t, db.QueryRowContext(context.Background(), query).Scan(&s), query)
		return s
	}
	day := func(from time.Duration) string {
		return time.Now().UTC().Add(from * 24 * time.Hour).Format(time.DateOnly)
	}
	partnerAt := func(place int) string {
		return text(fmt.Sprintf("SELECT partner_id FROM agreements GROUP BY 1 ORDER BY count(*) DESC LIMIT 1 OFFSET %d", place))
	}
	return strings.NewReplacer("{relationship}", text("SELECT id FROM agreements WHERE key = (SELECT max(relationship_key) FROM notices)"),
		"{notice}", text("SELECT max(relationship_key) || '-4-0' FROM notices WHERE ordinal = 0"), "{sweep}", text("SELECT max(sweep_id) FROM chunks"),
		"{largePartner}", partnerAt(0), "{middlePartner}", partnerAt(30), "{smallPartner}", partnerAt(499), "{nobody}", "00000000-0000-4000-8000-000000000000",
		"{largeCustomer}", text("SELECT customer_id FROM agreements GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"),
		"{customer}", text("SELECT tenant_id FROM notices WHERE role = 'globalAdministrator' ORDER BY relationship_key DESC LIMIT 1"),
		"{mail}", text("SELECT mail FROM notices WHERE role = 'globalAdministrator' AND mail <> '' ORDER BY relationship_key DESC LIMIT 1"),
		"{request}", text("SELECT request_id FROM events WHERE request_id <> '' ORDER BY relationship_key LIMIT 1"),
		"{commonRole}", "4d6ac14f-3453-41d0-bef9-a3e0c569773a", "{rareRole}", "c4e39bd9-1100-46d3-8c65-fb160da0071f",
		"{soon}", day(40), "{far}", day(700), "{past}", day(-900), "{recent}", day(-100))
}

// A consoleMeter asks a process for pages.
type consoleMeter struct {
	t       *testing.T
	h       *house
	db      *database
	api     *exec.Cmd // nil: none runs
	address string
	took    []time.Duration
	worked  []time.Duration // of processors
}

// A pageTime is how long a page took, until its first byte by the clock, and as a whole of processors.
type pageTime struct {
	clock, processors time.Duration
	further           bool // the page says that there is more to be looked at
}

// better takes the lower ones.
func (p *pageTime) better(other pageTime) {
	p.clock, p.processors, p.further = min(p.clock, other.clock), min(p.processors, other.processors), other.further
}

// first is how long a page takes that is the first one asked of a process.
func (c *consoleMeter) first(path string) string {
	best := pageTime{clock: time.Hour, processors: time.Hour}
	for range 3 {
		c.stop()
		c.start()
		if best.better(c.ask(path)); best.clock <= consoleLimit/2 {
			break
		}
	}
	return c.note("first: "+path, best)
}

// warm is how long it takes when it was asked for before.
func (c *consoleMeter) warm(path string) string {
	if c.api == nil {
		c.start()
	}
	best := pageTime{clock: time.Hour, processors: time.Hour}
	for i := range consoleTries {
		took := c.ask(path)
		if i == 0 {
			continue
		}
		if best.better(took); i >= 2 && best.clock <= consoleLimit/2 {
			break
		}
	}
	return c.note(path, best)
}

func (c *consoleMeter) note(what string, took pageTime) string {
	c.took, c.worked = append(c.took, took.clock), append(c.worked, took.processors)
	text := fmt.Sprintf("%d (%d)", took.clock.Milliseconds(), took.processors.Milliseconds())
	if took.clock > consoleLimit {
		c.t.Logf("slow: %s ms %s", text, what)
		text = "**" + text + "**"
	}
	if took.further {
		text += " …"
	}
	return text
}

// onProcessors is how long the process, and what serves it in the database, have been on processors. It is zero where that cannot be seen.
func (c *consoleMeter) onProcessors() (sum time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.api.Process.Pid))
	rows, err := c.db.QueryContext(c.t.Context(), "SELECT pid FROM pg_stat_activity WHERE application_name = 'tenure' AND datname = current_database()")
	require.NoError(c.t, err)
	defer rows.Close()
	for rows.Next() {
		var pid int
		require.NoError(c.t, rows.Scan(&pid))
		threads = append(threads, fmt.Sprintf("/proc/%d/schedstat", pid))
	}
	require.NoError(c.t, rows.Err())
	for _, path := range threads {
		var nanoseconds int64
		text, err := os.ReadFile(path)
		if err == nil {
			_, _ = fmt.Sscan(string(text), &nanoseconds)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum
}

func (c *consoleMeter) summary() string {
	say := func(what string, all []time.Duration) string {
		slices.Sort(all)
		above := slices.IndexFunc(all, func(d time.Duration) bool { return d > consoleLimit })
		if above < 0 {
			above = len(all)
		}
		return fmt.Sprintf("%s, half of %d within %d ms, 99 of 100 within %d, the slowest %d; %d above %d ms.", what, len(all), all[len(all)/2].Milliseconds(),
			all[len(all)*99/100].Milliseconds(), all[len(all)-1].Milliseconds(), len(all)-above, consoleLimit.Milliseconds())
	}
	return say("By the clock", c.took) + " " + say("Of processors", c.worked)
}

// ask asks for a page.
func (c *consoleMeter) ask(path string) (took pageTime) {
	c.t.Helper()
	before, began := c.onProcessors(), time.Now()
	ctx := httptrace.WithClientTrace(c.t.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { took.clock = time.Since(began) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+path, nil)
	require.NoError(c.t, err)
	client := http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	require.NoError(c.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusSeeOther && response.StatusCode != http.StatusServiceUnavailable {
		require.Failf(c.t, "no page", "%s: %s\n%s", path, response.Status, body)
	}
	took.processors, took.further = max(0, c.onProcessors()-before), strings.Contains(string(body), farther)
	return took
}

var listens = regexp.MustCompile(`listening.*?(127\.0\.0\.1:[0-9]+)`)

// start starts a process, and waits until it says where it listens.
func (c *consoleMeter) start() {
	c.t.Helper()
	cmd := exec.Command(c.h.binary, "api", "--listen", "127.0.0.1:0", "--rate-limit", "0")
	cmd.Env, cmd.SysProcAttr = append(c.h.environment(c.db.URL), "TENURE_LOG_LEVEL=info"), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := cmd.StderrPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, cmd.Start())
	c.api, c.address = cmd, ""
	lines := bufio.NewScanner(log)
	for c.address == "" && lines.Scan() {
		if found := listens.FindStringSubmatch(lines.Text()); found != nil {
			c.address = found[1]
		}
	}
	require.NotEmpty(c.t, c.address, "the process does not say where it listens")
	go func() { _, _ = io.Copy(io.Discard, log) }()
}

func (c *consoleMeter) stop() {
	if c.api == nil {
		return
	}
	require.NoError(c.t, c.api.Process.Signal(syscall.SIGTERM))
	_ = c.api.Wait()
	c.api = nil
}

// load is how many want the processors, on average over the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
