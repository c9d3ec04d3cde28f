package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scratch is where the program and the databases of this run are.
var scratch = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tenure-browser-")
	if err == nil {
		atTheEnd.add(func() { os.RemoveAll(dir) })
	}
	return dir, err
})

// program builds the program once for all tests, unless TENURE_BROWSER_PROGRAM names one that is built.
var program = sync.OnceValues(func() (string, error) {
	if built := os.Getenv("TENURE_BROWSER_PROGRAM"); built != "" {
		return filepath.Abs(built)
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	built := filepath.Join(dir, "tenure")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", built, "./cmd/tenure")
	build.Dir, build.Stdout, build.Stderr = "..", os.Stderr, os.Stderr
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is delivered, and as what checks the platforms has compiled it
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building the program: %w", err)
	}
	return built, nil
})

// A deployment is a sandbox with so many relationships, in processes of its own that serve it.
type deployment struct {
	site
	records int
	dir     string
	program string
	parts   []string // the commands that serve it, each in a process; none: one that does everything
	env     []string // settings beside the others, by their names in the environment; TENURE_DB where it is not a file
	tokens  []string // of people with several awkward names; who looks is named on every page
	sweep   string   // the id of the sweep that found most
	notices []string // the ids of some notices
}

// deployed are the worlds of this run, by how many relationships there are. All tests look at the same ones, and change nothing.
var deployed = struct {
	sync.Mutex
	worlds map[int]*deployment
}{worlds: map[int]*deployment{}}

// deploy gives the world with so many relationships. It is made and served when it is first asked for, until the run is over.
func deploy(t *testing.T, records int) *deployment {
	t.Helper()
	deployed.Lock()
	defer deployed.Unlock()
	d := deployed.worlds[records]
	if d == nil {
		began := time.Now()
		var err error
		d, err = newDeployment(records)
		require.NoError(t, err, "making a world of %d relationships", records)
		deployed.worlds[records] = d
		t.Logf("a world of %d relationships was made in %s", records, time.Since(began).Round(100*time.Millisecond))
	}
	return d
}

func newDeployment(records int) (*deployment, error) {
	return newWorld(fmt.Sprint(records), records, func(*deployment) error { return nil })
}

// newWorld makes a world with a name of its own, for a test that changes something in it. What is done before it is served, is done first.
func newWorld(name string, records int, before func(*deployment) error) (*deployment, error) {
	above, err := scratch()
	if err != nil {
		return nil, err
	}
	d := &deployment{records: records, dir: filepath.Join(above, name)}
	d.languageCookie, d.themeCookie = consoleLanguageCookie, consoleThemeCookie
	if d.program, err = program(); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := d.run("migrate", "--sandbox", "--at", worldBegins.Format(time.RFC3339)); err != nil {
		return nil, err
	}
	if records > 0 {
		if err := d.live(); err != nil {
			return nil, err
		}
	}
	for _, name := range append([]string{namesIn(records)[4]}, namesIn(records)[:3]...) {
		token, err := d.run("token", "create", name, "--scope", "manage")
		if err != nil {
			return nil, err
		}
		d.tokens = append(d.tokens, strings.TrimSpace(token))
	}
	d.token = d.tokens[0]
	if err := before(d); err != nil {
		return nil, err
	}
	if err := d.serve(); err != nil {
		return nil, err
	}
	return d, d.find()
}

// live lets something happen: people and three days' timers leave sweeps, notices, holds and refusals behind.
func (d *deployment) live() error {
	relationships, contacts := filepath.Join(d.dir, "relationships.ndjson"), filepath.Join(d.dir, "contacts.ndjson")
	err := errors.Join(
		write(relationships, func(w io.Writer) error { return writeRelationships(w, d.records) }),
		write(contacts, func(w io.Writer) error { return writeContacts(w, d.records) }))
	if err != nil {
		return err
	}
	if _, err := d.run("import", contacts, relationships); err != nil {
		return err
	}
	if err := os.Remove(relationships); err != nil { // with a million it is large
		return err
	}
	notes := namesIn(d.records)
	for _, args := range [][]string{
		{"clock", "advance", "--by", "P3D"},
		{"relationships", "terminate", relationshipID(20)},
		{"relationships", "terminate", "--by", "customer", relationshipID(24)},
		{"holds", "place", "relationship", relationshipID(16), "--note", notes[2]},
		{"holds", "place", "tenant", customerID(32), "--note", notes[0]},
		{"holds", "place", "rule", "release-name", "--note", notes[1]},
		{"partners", "set", customerID(0), "--standing", "suspended", "--note", notes[2]},
		{"subscriptions", "add", "https://hooks.example.invalid/tenure", "--tenant", customerID(0), "--kind", "extended"},
		{"subscriptions", "add", "https://" + strings.Repeat("w", 60) + ".example.invalid/tenure"},
	} {
		if _, err := d.run(args...); err != nil {
			return err
		}
	}
	if _, err := d.run("relationships", "terminate", relationshipID(20)); err == nil {
		return errors.New("terminating twice was not refused")
	}
	return nil
}

func write(file string, content func(io.Writer) error) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(content(f), f.Close())
}

func (d *deployment) command(args ...string) *exec.Cmd {
	c := exec.Command(d.program, args...)
	c.Dir = d.dir
	c.Env = append(append(os.Environ(), "TENURE_DB=sqlite:"+filepath.Join(d.dir, "tenure.db"), "TENURE_LISTEN=127.0.0.1:0", "TENURE_RATE_LIMIT=0"), d.env...)
	return c
}

// run runs a command to its end and gives what it writes.
func (d *deployment) run(args ...string) (string, error) {
	c := d.command(args...)
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("tenure %s: %w: %s", strings.Join(args, " "), err, &complaints)
	}
	return string(out), nil
}

var listening = regexp.MustCompile(`listening.*?(127\.0\.0\.1:[0-9]+)`)

// leash runs a program until our end of its standard input is closed, by us or, however we end, by the kernel.
const leash = `"$@" & exec 2>&-; cat >/dev/null; kill $!; wait $!`

// serve starts the server and waits until it says where it listens. It is stopped when the run is over.
func (d *deployment) serve() error {
	stop, err := d.begin()
	if err == nil {
		atTheEnd.add(stop)
	}
	return err
}

// begin does the same, and leaves it to the caller to stop it, once.
func (d *deployment) begin() (stop func(), err error) {
	parts := d.parts
	if len(parts) == 0 {
		parts = []string{"serve"}
	}
	var begun ends
	for _, part := range parts {
		stop, err := d.start(part)
		if err != nil {
			begun.run()
			return nil, err
		}
		begun.add(stop)
	}
	return begun.run, nil
}

// start starts one process. Of one that answers requests it waits until it says where.
func (d *deployment) start(part string) (stop func(), err error) {
	c := d.command(part)
	c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", leash, "leash"}, c.Args...)
	hold, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	log, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	where, ended := make(chan string, 1), make(chan string, 1)
	go func() {
		said := strings.Builder{}
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if found := listening.FindStringSubmatch(lines.Text()); found != nil {
				where <- found[1]
			}
			fmt.Fprintln(&said, lines.Text())
		}
		ended <- said.String()
	}()
	stop = func() {
		_ = hold.Close()
		<-ended
		_ = c.Wait()
	}
	if part != "serve" && part != "api" {
		return stop, nil
	}
	select {
	case address := <-where:
		d.url = "http://" + address
		return stop, nil
	case said := <-ended:
		ended <- said
		stop()
		return nil, fmt.Errorf("tenure %s ended at once: %s", part, said)
	case <-time.After(time.Minute):
		stop()
		return nil, fmt.Errorf("tenure %s does not listen after a minute", part)
	}
}

// ask reads what the HTTP interface answers with.
func (d *deployment) ask(path string, into any) error {
	return d.request(http.MethodGet, path, "", into)
}

// order has the HTTP interface do something.
func (d *deployment) order(path, body string) error {
	return d.request(http.MethodPost, path, body, new(any))
}

func (d *deployment) request(method, path, body string, into any) error {
	request, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		said, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s %s: status %d: %s", method, path, response.StatusCode, said)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// find looks up what there is to be seen whose ids are not ours to choose.
func (d *deployment) find() error {
	var sweeps struct {
		Sweeps []struct{ ID, Found int }
	}
	var notices struct{ Notices []struct{ ID string } }
	if err := errors.Join(d.ask("/v1/sweeps?limit=200", &sweeps), d.ask("/v1/notices?limit=200", &notices)); err != nil {
		return err
	}
	most := -1
	for _, s := range sweeps.Sweeps {
		if s.Found > most {
			most, d.sweep = s.Found, fmt.Sprint(s.ID)
		}
	}
	for _, n := range notices.Notices {
		d.notices = append(d.notices, n.ID)
	}
	return nil
}

// as is the site for somebody else each turn, whose name is too long, from right to left, or HTML.
func (d *deployment) as(turn int) site {
	s := d.site
	s.token = d.tokens[1+turn%(len(d.tokens)-1)]
	return s
}

// path fills the placeholders of a path. Each turn has another awkward relationship and another notice. It is not ok where there is
// nothing of the kind in this world.
func (d *deployment) path(of string, turn int) (path string, ok bool) {
	fill := map[string]string{"{sweep}": d.sweep, "{partner}": partner, "{customer}": customerID(32)}
	if d.records > 0 {
		fill["{hold}"] = "2" // that of the customer
		fill["{relationship}"] = relationshipID(4 * (turn % len(awkward)))
	}
	if len(d.notices) > 0 {
		fill["{notice}"] = d.notices[turn*7%len(d.notices)]
	}
	for placeholder, with := range fill {
		if with != "" {
			of = strings.ReplaceAll(of, placeholder, with)
		}
	}
	return of, !strings.Contains(of, "{")
}

func TestAWorldHasWhatThereIsToBeSeen(t *testing.T) {
	d := deploy(t, fewRecords)
	var list struct {
		Value []struct{ DisplayName, Status string }
	}
	require.NoError(t, d.ask("/v1.0/tenantRelationships/delegatedAdminRelationships?$top=300", &list))
	require.Len(t, list.Value, fewRecords)
	statuses := map[string]bool{}
	for _, r := range list.Value {
		statuses[r.Status] = true
	}
	for _, wanted := range []string{"created", "approvalPending", "active", "expired", "terminated"} {
		require.True(t, statuses[wanted], "nothing is %s: %v", wanted, statuses)
	}
	var sweeps struct{ Sweeps []struct{ Changed int } }
	require.NoError(t, d.ask("/v1/sweeps", &sweeps))
	require.NotEmpty(t, sweeps.Sweeps)
	require.NotEmpty(t, d.notices)
	var holds struct{ Holds []struct{ Note string } }
	require.NoError(t, d.ask("/v1/holds", &holds))
	require.Len(t, holds.Holds, 3)

	path, ok := d.path("/console/relationships/{relationship}", 1)
	require.True(t, ok)
	require.Equal(t, "/console/relationships/"+relationshipID(4), path)
	_, ok = deploy(t, 0).path("/console/relationships/{relationship}", 1)
	require.False(t, ok, "there is nothing in an empty world")
}
