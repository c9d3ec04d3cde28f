//go:build unix

package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// An ask is one request that somebody made, and what came of it.
type ask struct {
	id           string // X-Request-Id, which the history keeps
	what         string // as in verbs; create
	relationship string // of a create: once it is answered
	name         string // of a create and a rename
	partner      string // of a create
	draft        draft  // of a create

	notBefore time.Time // by the test clock, when it was sent
	notAfter  time.Time // by the test clock, when it was answered; zero while nobody knows
	status    int       // HTTP; 0: nobody knows what became of it
}

// A draft is what a relationship is created as.
type draft struct {
	days       int
	autoExtend bool
	roles      []string
}

// A book is what the outside world knows of the deployment: every request that was made, and the answer.
type book struct {
	mu    sync.Mutex
	asks  []*ask
	known []string // ids of relationships
	names []string // that were given
	keys  map[string]map[int64]bool
}

func (b *book) add(a *ask) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.id = fmt.Sprintf("storm-%d", len(b.asks)+1)
	b.asks = append(b.asks, a)
}

func (b *book) created(a *ask) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known, b.names = append(b.known, a.relationship), append(b.names, a.name)
}

// opened notes which sweep an idempotency key was answered with.
func (b *book) opened(key string, sweep int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys[key] == nil {
		b.keys[key] = map[int64]bool{}
	}
	b.keys[key][sweep] = true
}

// pick is one of the relationships, the latest rather than one long forgotten; empty while there is none.
func (b *book) pick(random *rand.Rand) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.known)
	if n == 0 {
		return ""
	}
	if random.IntN(3) > 0 {
		return b.known[max(0, n-1-random.IntN(30))]
	}
	return b.known[random.IntN(n)]
}

// A crowd is everybody who asks something of the deployment, at once and without minding each other.
type crowd struct {
	*book
	world  *world
	client *http.Client
	most   int // relationships
}

const (
	graphPath    = "/v1.0/tenantRelationships/delegatedAdminRelationships"
	customerPath = "/v1/customer/relationships/"

	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

var someRules = []string{"expire-pending", "auto-extend", "end-term", "release-name"}

var someRoles = []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "f2ef992c-3afb-46b9-b7cf-a126ee74c451", "fe930be7-5e62-47db-91af-98c3a49a38b1"}

// act goes on asking until ctx ends.
func (c *crowd) act(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		c.once(ctx, random)
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(random.IntN(10)) * time.Millisecond):
		}
	}
}

func (c *crowd) once(ctx context.Context, random *rand.Rand) {
	switch n := random.IntN(100); {
	case n < 18:
		c.begin(ctx, random)
	case n < 24:
		c.contend(ctx, random)
	case n < 27:
		c.sweep(ctx, random)
	case n < 29:
		c.hold(ctx, random)
	case n < 30:
		c.command(ctx, random)
	default:
		id := c.pick(random)
		if id == "" {
			c.begin(ctx, random)
			return
		}
		c.verb(ctx, random, verbs[random.IntN(len(verbs))], id)
	}
}

// begin leads a new relationship some way into its life.
func (c *crowd) begin(ctx context.Context, random *rand.Rand) {
	id := c.create(ctx, random, c.freshName(random))
	if id == "" || random.IntN(8) == 0 {
		return
	}
	c.verb(ctx, random, "lock", id)
	if random.IntN(6) > 0 {
		c.verb(ctx, random, "approve", id)
	}
	if random.IntN(4) == 0 {
		c.verb(ctx, random, "assign", id)
	}
}

// contend has several do the same at once, of whom one at most may succeed.
func (c *crowd) contend(ctx context.Context, random *rand.Rand) {
	var together sync.WaitGroup
	defer together.Wait()
	id, name := c.pick(random), c.freshName(random)
	verb := contended[random.IntN(len(contended))]
	for range 2 + random.IntN(2) {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		together.Go(func() {
			if verb == "create" || id == "" {
				c.create(ctx, own, name)
			} else {
				c.verb(ctx, own, verb, id)
			}
		})
	}
}

// freshName is a name that nobody had, or now and then one that somebody has or had.
func (c *crowd) freshName(random *rand.Rand) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names) > 0 && random.IntN(6) == 0 {
		return c.names[random.IntN(len(c.names))]
	}
	return fmt.Sprintf("R %x", random.Uint64())
}

func (c *crowd) create(ctx context.Context, random *rand.Rand, name string) string {
	c.mu.Lock()
	enough := len(c.known) >= c.most
	c.mu.Unlock()
	if enough {
		return ""
	}
	d := draft{days: []int{1, 7, 20, 45, 90, 180, 365}[random.IntN(7)], autoExtend: random.IntN(3) == 0, roles: someRoles[:1+random.IntN(3)]}
	if random.IntN(8) == 0 {
		d.autoExtend = random.IntN(2) == 0
		d.roles = append(slices.Clone(d.roles), globalAdministrator)
	}
	roles := make([]map[string]string, len(d.roles))
	for i, role := range d.roles {
		roles[i] = map[string]string{"roleDefinitionId": role}
	}
	a := &ask{what: "create", name: name, partner: partners[random.IntN(len(partners))], draft: d}
	customer := customers[random.IntN(len(customers))]
	body := map[string]any{"displayName": name, "duration": fmt.Sprintf("P%dD", d.days), "autoExtendDuration": autoExtend(d.autoExtend),
		"partner": map[string]string{"tenantId": a.partner}, "customer": map[string]string{"tenantId": customer},
		"accessDetails": map[string]any{"unifiedRoles": roles}}
	var answer struct{ ID string }
	c.ask(ctx, random, a, http.MethodPost, graphPath, body, &answer)
	if a.status != http.StatusCreated {
		return ""
	}
	a.relationship = answer.ID
	c.created(a)
	return answer.ID
}

func autoExtend(on bool) string {
	if on {
		return "P180D"
	}
	return "PT0S"
}

// verbs are what can be asked of a relationship; the likelier ones are there more than once. contended are those that several
// ask for at once.
var (
	verbs = []string{"lock", "approve", "approve", "reject", "terminate", "on", "off", "on by partner", "off by partner", "assign", "unassign",
		"delete", "rename", "without administrator", "show"}
	contended = []string{"create", "create", "lock", "approve", "approve", "terminate", "reject", "assign", "assign", "delete", "rename", "on"}
)

// verb asks for something about a relationship, whether or not it is possible now.
func (c *crowd) verb(ctx context.Context, random *rand.Rand, verb, id string) {
	a := &ask{what: verb, relationship: id}
	of := graphPath + "/" + id
	switch verb {
	case "lock":
		c.ask(ctx, random, a, http.MethodPost, of+"/requests", map[string]string{"action": "lockForApproval"}, nil)
	case "terminate":
		if random.IntN(2) == 0 {
			c.ask(ctx, random, a, http.MethodPost, of+"/requests", map[string]string{"action": "terminate"}, nil)
			return
		}
		c.ask(ctx, random, a, http.MethodPost, customerPath+id+"/terminate", nil, nil)
	case "approve", "reject":
		c.ask(ctx, random, a, http.MethodPost, customerPath+id+"/"+verb, nil, nil)
	case "on", "off":
		c.ask(ctx, random, a, http.MethodPost, customerPath+id+"/auto-extend", map[string]string{"autoExtendDuration": autoExtend(verb == "on")}, nil)
	case "on by partner", "off by partner":
		c.ask(ctx, random, a, http.MethodPatch, of, map[string]string{"autoExtendDuration": autoExtend(verb == "on by partner")}, nil)
	case "rename":
		a.name = c.freshName(random)
		c.ask(ctx, random, a, http.MethodPatch, of, map[string]string{"displayName": a.name}, nil)
	case "without administrator":
		c.ask(ctx, random, a, http.MethodPatch, of,
			map[string]any{"accessDetails": map[string]any{"unifiedRoles": []map[string]string{{"roleDefinitionId": someRoles[0]}}}}, nil)
	case "delete":
		c.ask(ctx, random, a, http.MethodDelete, of, nil, nil)
	case "assign":
		c.ask(ctx, random, a, http.MethodPost, of+"/accessAssignments", map[string]any{
			"accessContainer": map[string]string{"accessContainerId": groups[random.IntN(len(groups))], "accessContainerType": "securityGroup"},
			"accessDetails":   map[string]any{"unifiedRoles": []map[string]string{{"roleDefinitionId": someRoles[0]}}}}, nil)
	case "unassign":
		var have struct{ Value []struct{ ID, Status string } }
		c.ask(ctx, random, &ask{what: "show", relationship: id}, http.MethodGet, of+"/accessAssignments", nil, &have)
		if len(have.Value) > 0 {
			c.ask(ctx, random, a, http.MethodDelete, of+"/accessAssignments/"+have.Value[random.IntN(len(have.Value))].ID, nil, nil)
		}
	default:
		c.ask(ctx, random, a, http.MethodGet, of, nil, nil)
	}
}

// sweep asks for one twice at once, under one key: both have to be told of the same.
func (c *crowd) sweep(ctx context.Context, random *rand.Rand) {
	key := fmt.Sprintf("sweep-%x", random.Uint64())
	var together sync.WaitGroup
	for range 2 {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		together.Go(func() {
			a := &ask{what: "sweep", name: key}
			var answer struct{ ID int64 }
			if c.ask(ctx, own, a, http.MethodPost, "/v1/sweeps", nil, &answer); a.status/100 == 2 {
				c.opened(key, answer.ID)
			}
		})
	}
	together.Wait()
}

// command has an operator do something at the command line, past all APIs. What has no request's id is known by its relationship:
// it can be terminated once.
func (c *crowd) command(ctx context.Context, random *rand.Rand) {
	id := c.pick(random)
	if id == "" || random.IntN(3) == 0 {
		_, _ = c.world.fleet.run(ctx, "sweep")
		return
	}
	a := &ask{what: "terminate", relationship: id, notBefore: c.world.clock.stood()}
	c.add(a)
	a.id = byCommand + id
	if _, err := c.world.fleet.run(ctx, "relationships", "terminate", id); err == nil {
		a.notAfter, a.status = c.world.clock.stands(), http.StatusOK
	}
}

// byCommand begins the id of what was asked for at the command line.
const byCommand = "command "

// hold puts something on hold for a moment, as an operator does who wants to have a look.
func (c *crowd) hold(ctx context.Context, random *rand.Rand) {
	what := map[string]string{"note": "to be looked at", "kind": "relationship", "subject": c.pick(random)}
	switch random.IntN(4) {
	case 0:
		what["kind"], what["subject"] = "tenant", customers[random.IntN(len(customers))]
	case 1:
		what["kind"], what["subject"] = "rule", someRules[random.IntN(len(someRules))]
	}
	var placed struct{ ID int64 }
	a := &ask{what: "hold"}
	if c.ask(ctx, random, a, http.MethodPost, "/v1/holds", what, &placed); placed.ID == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(random.IntN(1500)) * time.Millisecond):
	}
	for a.status = 0; a.status/100 != 2 && ctx.Err() == nil; {
		a = &ask{what: "release"}
		c.ask(ctx, random, a, http.MethodPost, fmt.Sprintf("/v1/holds/%d/release", placed.ID), map[string]string{"note": "looked at"}, nil)
		if a.status == http.StatusConflict {
			return // of the time before nobody knew whether it had been done
		}
	}
}

// rest is what people take who got no answer: nobody asks a deployment that is down as often as they can.
const rest = 30 * time.Millisecond

// ask makes one request of one of the APIs, and notes what comes of it. Where the connection breaks nobody knows.
func (c *crowd) ask(ctx context.Context, random *rand.Rand, a *ask, method, path string, body, answer any) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.world.apis[random.IntN(len(c.world.apis))]+path, bytes.NewReader(text))
	if err != nil {
		panic(err) // the address is ours
	}
	c.add(a)
	request.Header.Set("X-Request-Id", a.id)
	request.Header.Set("Authorization", "Bearer "+c.world.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch || method == http.MethodDelete {
		request.Header.Set("If-Match", "*")
	}
	if a.what == "sweep" {
		request.Header.Set("Idempotency-Key", a.name)
	}
	a.notBefore = c.world.clock.stood()
	response, err := c.client.Do(request)
	if err != nil {
		time.Sleep(rest)
		return
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return
	}
	a.notAfter, a.status = c.world.clock.stands(), response.StatusCode
	if a.status >= http.StatusInternalServerError {
		time.Sleep(rest)
	}
	if answer != nil && response.StatusCode/100 == 2 {
		if err := json.Unmarshal(read, answer); err != nil {
			c.world.t.Errorf("%s %s: an answer that cannot be read: %v: %s", method, path, err, read)
		}
	}
}
