package notify

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template"
	syntax "text/template/parse"
)

// The checks here read templates without running them. What an operator has written must not be able to hang the program or to
// fill its memory, and a mistyped name is told with its line, also where no sample comes by.

// mostSteps is how many nodes a template may come to when the phrases that it includes are written out. The largest of ours has
// fewer than 200.
const mostSteps = 20_000

// placeOf is "file:line:column" of a node.
func placeOf(tree *syntax.Tree, n syntax.Node) string {
	place, _ := tree.ErrorContext(n)
	return place
}

// A checking walks one file of templates.
type checking struct {
	set    *template.Template
	fields map[string]bool // that a template may speak of
	loops  bool            // whether it may loop

	// Those that it may call. None of them makes a long text of a short one, or fails for some names only.
	functions []string
	uses      map[string][]string
	steps     map[string]int // of each template alone
	faults    []error
}

// checkPhrases checks the phrases of one file. ours are those that the program knows.
func checkPhrases(file templateFile, set *template.Template, ours map[string]bool) []error {
	c := newChecking(set, false, reflect.TypeFor[facts](), reflect.TypeFor[moment]())
	for _, t := range sortedTemplates(set) {
		if t.Name() != file.place {
			c.template(t.Name(), t.Tree)
			continue
		}
		for _, n := range t.Root.Nodes {
			if text, ok := n.(*syntax.TextNode); ok {
				said := strings.TrimSpace(string(text.Text))
				if said == "" {
					continue
				}
				there := *text
				there.Pos += syntax.Pos(strings.Index(string(text.Text), said))
				n = &there
			}
			c.fault(t.Tree, n, "this stands outside of any {{define}}, and is never said")
		}
	}
	for _, t := range sortedTemplates(set) {
		if t.Name() != file.place && !ours[t.Name()] && !strings.HasPrefix(t.Name(), "zone ") && t.Name() != "months" && !c.used(t.Name()) {
			c.fault(t.Tree, t.Root, "nothing asks for a phrase %q; is it mistyped?", t.Name())
		}
	}
	return c.faults
}

// checkSizes checks that no template of a set includes itself, or so much that writing it would never end. An own phrase may
// include a built-in one and the other way round, so it takes all of them together.
func checkSizes(set *template.Template) []error {
	c := newChecking(set, true)
	for _, t := range sortedTemplates(set) {
		c.template(t.Name(), t.Tree)
	}
	c.faults = nil // told before
	c.bound()
	return c.faults
}

// checkLayout checks a layout, which may loop over what a page has.
func checkLayout(set *template.Template) []error {
	c := newChecking(set, true, reflect.TypeFor[page](), reflect.TypeFor[detail](), reflect.TypeFor[section](), reflect.TypeFor[group](), reflect.TypeFor[row]())
	for _, t := range sortedTemplates(set) {
		c.template(t.Name(), t.Tree)
	}
	return append(c.faults, checkSizes(set)...)
}

func newChecking(set *template.Template, loops bool, types ...reflect.Type) *checking {
	c := &checking{set: set, loops: loops, fields: map[string]bool{}, uses: map[string][]string{}, steps: map[string]int{},
		functions: []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"}}
	if loops {
		c.functions = append(c.functions, "wrap", "table", "outlook")
	}
	for _, t := range types {
		for field := range t.Fields() {
			c.fields[field.Name] = true
		}
	}
	return c
}

func sortedTemplates(set *template.Template) []*template.Template {
	templates := slices.DeleteFunc(set.Templates(), func(t *template.Template) bool { return t.Tree == nil })
	slices.SortFunc(templates, func(a, b *template.Template) int {
		return cmp.Or(cmp.Compare(a.ParseName, b.ParseName), cmp.Compare(a.Root.Pos, b.Root.Pos), cmp.Compare(a.Name(), b.Name()))
	})
	return templates
}

func (c *checking) fault(tree *syntax.Tree, n syntax.Node, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("%s: %s", placeOf(tree, n), fmt.Sprintf(format, args...)))
}

func (c *checking) used(name string) bool {
	for _, names := range c.uses {
		if slices.Contains(names, name) {
			return true
		}
	}
	return false
}

func (c *checking) template(name string, tree *syntax.Tree) {
	c.uses[name] = nil
	c.list(name, tree, tree.Root, 0)
}

func (c *checking) list(name string, tree *syntax.Tree, l *syntax.ListNode, loops int) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.steps[name]++
		switch n := n.(type) {
		case *syntax.ActionNode:
			c.pipe(tree, n.Pipe)
		case *syntax.IfNode:
			c.branch(name, tree, &n.BranchNode, loops)
		case *syntax.WithNode:
			c.branch(name, tree, &n.BranchNode, loops)
		case *syntax.RangeNode:
			c.loop(tree, n, loops)
			c.branch(name, tree, &n.BranchNode, loops+1)
		case *syntax.TemplateNode:
			c.pipe(tree, n.Pipe)
			c.uses[name] = append(c.uses[name], n.Name)
			if loops > 0 {
				c.uses[name] = append(c.uses[name], n.Name) // it counts for more than one
			}
		}
	}
}

func (c *checking) branch(name string, tree *syntax.Tree, n *syntax.BranchNode, loops int) {
	c.pipe(tree, n.Pipe)
	c.list(name, tree, n.List, loops)
	c.list(name, tree, n.ElseList, loops)
}

// loop allows loops over the lists of a page only, of which none is long, and two of them in each other: a digest has groups of
// rows.
func (c *checking) loop(tree *syntax.Tree, n *syntax.RangeNode, loops int) {
	const deepest = 2
	switch {
	case !c.loops:
		c.fault(tree, n, "a phrase has nothing to loop over")
	case loops >= deepest:
		c.fault(tree, n, "loops are nested more than %d deep", deepest)
	case !overField(n.Pipe):
		c.fault(tree, n, "a loop goes over a list of the page, such as .Details")
	}
}

func overField(p *syntax.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	switch arg := p.Cmds[0].Args[0].(type) {
	case *syntax.FieldNode:
		return true
	case *syntax.VariableNode:
		return len(arg.Ident) > 1
	}
	return false
}

func (c *checking) pipe(tree *syntax.Tree, p *syntax.PipeNode) {
	if p == nil {
		return
	}
	for _, command := range p.Cmds {
		for _, arg := range command.Args {
			switch arg := arg.(type) {
			case *syntax.FieldNode:
				c.field(tree, arg, arg.Ident[0])
			case *syntax.VariableNode:
				if len(arg.Ident) > 1 {
					c.field(tree, arg, arg.Ident[1])
				}
			case *syntax.IdentifierNode:
				if !slices.Contains(c.functions, arg.Ident) {
					c.fault(tree, arg, "there is no function %q here; there are %s", arg.Ident, strings.Join(c.functions, " "))
				}
			case *syntax.PipeNode:
				c.pipe(tree, arg)
			case *syntax.ChainNode:
				c.fault(tree, arg, "%s is too involved; write it with {{with}}", arg)
			}
		}
	}
}

func (c *checking) field(tree *syntax.Tree, n syntax.Node, name string) {
	if !c.fields[name] {
		names := make([]string, 0, len(c.fields))
		for known := range c.fields {
			names = append(names, "."+known)
		}
		slices.Sort(names)
		c.fault(tree, n, "there is no .%s; there are %s", name, strings.Join(names, " "))
	}
}

// bound finds templates that include themselves, and those that include too much. One that is not there is told when it is
// missed.
func (c *checking) bound() {
	total := map[string]int{}
	const walking = -1
	var walk func(name string) int
	walk = func(name string) int {
		if n, done := total[name]; done {
			return n
		}
		total[name] = walking
		sum := c.steps[name]
		for _, used := range c.uses[name] {
			n := walk(used)
			if n == walking {
				t := c.set.Lookup(name)
				c.fault(t.Tree, t.Root, "%q includes itself", name)
				n = 0
			}
			sum = min(sum+n, 2*mostSteps)
		}
		total[name] = sum
		return sum
	}
	for _, t := range sortedTemplates(c.set) {
		if n := walk(t.Name()); n > mostSteps {
			c.fault(t.Tree, t.Root, "%q includes more than can be said", t.Name())
			return
		}
	}
}
