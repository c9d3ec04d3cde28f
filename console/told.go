package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// The HTTP interface says in English why it refuses something, and names what it says: the kind of problem, the sentence and its facts. By these
// names the console says it in the visitor's language: "said.NAME" is a sentence, "problem.KIND" a kind of problem, "graph.CODE" a code of Graph's.

// A sentence is what was said, by its name.
type sentence struct {
	Name  string         `json:"sentence"`
	Facts map[string]any `json:"facts"`
}

// A problem is what the HTTP interface answers where it refuses something: a problem document, or an error in Graph's form.
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
	sentence
	Errors []badValue `json:"errors"`
	Error  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		sentence
	} `json:"error"`
}

// A badValue is one that was refused.
type badValue struct {
	Location string `json:"location"`
	Value    any    `json:"value"`
	Detail   string `json:"detail"`
	sentence
}

// heardRefusal says a problem in the visitor's language.
func (v *visit) heardRefusal(status int, body []byte) error {
	var said problem
	if json.Unmarshal(body, &said) != nil {
		return &refusal{status, http.StatusText(status)}
	}
	return &refusal{status, v.console.pages[v.Lang].problem(&said)}
}

// explain says why something was refused, by the console itself or by the HTTP interface, in the visitor's language.
func (v *visit) explain(refused explained) string {
	var ours *refusal
	if errors.As(refused, &ours) {
		return ours.Detail
	}
	text, err := json.Marshal(refused)
	var said problem
	if err != nil || json.Unmarshal(text, &said) != nil || said.Type == "" {
		return refused.Explain()
	}
	return v.console.pages[v.Lang].problem(&said)
}

// problem says the sentence, or else what is wrong with the values, or else the kind, or else what the HTTP interface says in English.
func (p *pages) problem(said *problem) string {
	kind := said.Type[strings.LastIndex(said.Type, "#")+1:]
	if text, ok := p.told(said.sentence); ok {
		return text
	}
	if text, ok := p.told(said.Error.sentence); ok {
		return text
	}
	if len(said.Errors) > 0 {
		texts := make([]string, len(said.Errors))
		for i := range said.Errors {
			texts[i] = p.badValue(&said.Errors[i])
		}
		return strings.Join(texts, p.words.say("said.between"))
	}
	detail := said.Detail + said.Error.Message
	for _, key := range []string{"problem." + kind, "graph." + said.Error.Code} {
		if p.words.has(key) {
			return p.words.say(key, "detail", detail)
		}
	}
	return detail
}

var listIndex = regexp.MustCompile(`\[\d+\]$`)

// badValue says what is wrong with one value of a form or an address.
func (p *pages) badValue(b *badValue) string {
	field := path.Ext("." + listIndex.ReplaceAllString(b.Location, ""))[1:]
	what := sentence{b.Name, map[string]any{"value": "", "detail": b.Detail}}
	for name, fact := range b.Facts {
		what.Facts[name] = fact
	}
	if b.Value != nil {
		what.Facts["value"] = b.Value
	}
	text, ok := p.told(what)
	if !ok {
		text = p.words.say("said.unfit", "detail", b.Detail)
	}
	return p.words.say("said.ofField", "field", p.word("field", field), "what", text)
}

// told says a sentence; false where there is no such phrase. Behind the refusal of an action it says which others there are.
func (p *pages) told(s sentence) (string, bool) {
	key := "said." + s.Name
	if s.Name == "" || !p.words.has(key) {
		return "", false
	}
	facts := make([]any, 0, 2*len(s.Facts)) //nolint:mnd // names and values
	for name, value := range s.Facts {
		facts = append(facts, name, p.fact(name, value))
	}
	text := p.words.say(key, facts...)
	switch allowed, told := s.Facts["allowed"].([]any); {
	case !told:
	case len(allowed) == 0:
		text += p.words.say("said.noneAllowed")
	default:
		text += p.words.say("said.allowed", "allowed", p.fact("allowed", allowed))
	}
	return text, true
}

// kindsOfFacts are those facts that have a word of their own in the field.
var kindsOfFacts = map[string]string{"status": "status", "action": "action", "allowed": "action", "side": "actor", "standing": "relationship.standing",
	"rule": "rule", "rules": "rule", "state": "sweep", "jobState": "bulkState", "cause": "cause",
	"noticeStatus": "notice", "noticeActions": "notices.action"}

// fact writes a fact as the language does.
func (p *pages) fact(name string, value any) any {
	switch value := value.(type) {
	case []any:
		texts := make([]string, len(value))
		for i, one := range value {
			texts[i] = fmt.Sprint(p.fact(name, one))
		}
		return strings.Join(texts, p.words.say("relationship.joint"))
	case lifecycle.Span:
		return p.span(time.Duration(value))
	case lifecycle.Count:
		return value.N
	case float64: // as JSON has numbers
		if value == float64(int64(value)) {
			return int64(value)
		}
		return value
	case fmt.Stringer, error:
		return p.fact(name, fmt.Sprint(value))
	case string:
		if kind := kindsOfFacts[name]; kind != "" {
			texts := strings.Split(value, ", ")
			for i := range texts {
				texts[i] = p.word(kind, texts[i])
			}
			return strings.Join(texts, p.words.say("relationship.joint"))
		}
		if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
			return at.UTC().Format(p.layout()) + " UTC"
		}
	}
	if kind := kindsOfFacts[name]; kind != "" {
		return p.word(kind, value)
	}
	return value
}

// layout is how an instant is written, to the second.
func (p *pages) layout() string {
	if p.words.language == japanese {
		return instantInJapanese
	}
	return instantInEnglish
}

// said says one of the field's sentences, such as that of a concern; commands in it stand as such.
func (p *pages) said(s *lifecycle.Said) template.HTML {
	text, ok := p.told(sentence{s.Code, s.Facts})
	if !ok {
		text = s.Error()
	}
	return asCode(text)
}

// would says why an action would be refused, as the HTTP interface is heard to say it once it is.
func (p *pages) would(err error) string {
	var refused *lifecycle.Refusal
	if !errors.As(err, &refused) {
		return err.Error()
	}
	said := refused.Told()
	text, broken := json.Marshal(said.Facts)
	told := sentence{Name: said.Code}
	if broken == nil && json.Unmarshal(text, &told.Facts) == nil {
		if text, ok := p.told(told); ok {
			return text
		}
	}
	return err.Error()
}

var command = regexp.MustCompile("`([^`]+)`")

// asCode escapes a text, and shows as code what stands between backquotes.
func asCode(text string) template.HTML {
	return template.HTML(command.ReplaceAllString(template.HTMLEscapeString(text), `<code translate="no">$1</code>`)) //nolint:gosec // it is escaped
}
