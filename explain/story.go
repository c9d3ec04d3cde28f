package explain

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Story is what there is to say about one relationship at one instant, in one language. Its texts are fit for a terminal: no
// name in them can turn, move or colour what stands around it.
type Story struct {
	Relationship string // id
	Title        string // its name, or its id where it has none
	At           time.Time
	Language     Language
	Sections     []Section // without those that would be empty
}

// A Section answers one question.
type Section struct {
	Name      SectionName
	Heading   string
	Sentences []Sentence
}

// A SectionName names a section, whatever the language.
type SectionName string

// The sections, in the order in which they are told.
const (
	Summary   SectionName = "summary"   // in short
	Attention SectionName = "attention" // what an operator should look at: holds, lateness, what was given up
	Why       SectionName = "why"       // why it is in this state
	Next      SectionName = "next"      // what acts next, and when
	Otherwise SectionName = "otherwise" // why nothing else does
	Following SectionName = "following" // what follows if nobody does anything
	Told      SectionName = "told"      // who was told of what, and what was left unsaid
	Telling   SectionName = "telling"   // who will be told of what
	Access    SectionName = "access"    // which groups use it
	Name      SectionName = "name"      // who holds the display name, and until when
	Possible  SectionName = "possible"  // what people can do about it
)

// A Sentence is one fact.
type Sentence struct {
	Text   string
	At     time.Time   // when it happened, or will; zero: at no one instant
	Policy *PolicyLine // that says so; nil: none does
}

// A PolicyLine is one line of the policy, as its file writes it.
type PolicyLine struct {
	Key    string // e.g. "requests.lapseAfter"
	Value  string
	Source Source
}

// A Source says where the value of a policy line is from.
type Source string

// The sources.
const (
	SourceUnknown Source = ""
	SourceDefault Source = "default"
	SourceFile    Source = "file" // the policy file sets it
)

// Given is what a story is told from, beside the dossier.
type Given struct {
	Now      time.Time // by the deployment's clock
	Policy   *lifecycle.Policy
	Set      map[string]bool   // the keys that the policy file sets; nil: not known
	Another  bool              // the stored timers were set by another policy
	Viewer   *lifecycle.Caller // who reads it; nil: an operator who may know everything
	Language Language
}

// Tell tells the story of one relationship. That the viewer sees the relationship at all is for the caller to know; Tell leaves
// out what they may not know of it: a tenant learns nobody's address, and of what others did only on which side that was.
func Tell(d *lifecycle.Dossier, g Given) Story {
	t := newTeller(d, g)
	story := Story{Relationship: tame(d.ID), Title: tame(d.DisplayName), At: g.Now, Language: g.Language}
	if story.Title == "" {
		story.Title = story.Relationship
	}
	for _, part := range []struct {
		name SectionName
		tell func(*section)
	}{
		{Summary, t.summary}, {Attention, t.attention}, {Why, t.why}, {Next, t.next}, {Otherwise, t.otherwise}, {Following, t.following},
		{Told, t.told}, {Telling, t.telling}, {Access, t.access}, {Name, t.name}, {Possible, t.possible},
	} {
		s := section{teller: t}
		part.tell(&s)
		if len(s.sentences) > 0 {
			story.Sections = append(story.Sections, Section{part.name, t.phrase("heading."+string(part.name), facts{"status": t.state()}), s.sentences})
		}
	}
	return story
}
