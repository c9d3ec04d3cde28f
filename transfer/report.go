package transfer

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A FileFault is one thing that is wrong with a record of a file, or with the file from a line on.
type FileFault struct {
	File string
	Line int    // where the record starts; 0: the file as a whole
	ID   string // of the record, where it could be read
	lifecycle.Fault
}

// Error is the fault on one line, e.g. `june.ndjson:7: duration "P0D": must be from P1D to P2Y (of 0d9ab5ca-…)`.
func (f FileFault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	switch {
	case f.Field != "":
		b.WriteString(f.Fault.Error())
	case f.Value != "":
		fmt.Fprintf(&b, "%q %s", f.Value, f.Reason)
	default:
		b.WriteString(f.Reason)
	}
	if f.ID != "" {
		fmt.Fprintf(&b, " (of %s)", f.ID)
	}
	return b.String()
}

// A Tally counts what became of the records that were read: each is in exactly one of the counts below Records.
type Tally struct {
	Records   int
	Created   int
	Updated   int
	Unchanged int
	Repeated  int // met before in the same run, with the same content
	Refused   int // understood, but the store does not take it
	Faulty    int // not understood
	NotTaken  int // good, but the run stopped or was rolled back
}

func (t *Tally) add(other Tally) {
	t.Records += other.Records
	t.Created += other.Created
	t.Updated += other.Updated
	t.Unchanged += other.Unchanged
	t.Repeated += other.Repeated
	t.Refused += other.Refused
	t.Faulty += other.Faulty
	t.NotTaken += other.NotTaken
}

// String names the counts that are not zero, Records apart.
func (t Tally) String() string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{t.Created, "created"}, {t.Updated, "updated"}, {t.Unchanged, "unchanged"}, {t.Repeated, "repeated"},
		{t.Refused, "refused"}, {t.Faulty, "faulty"}, {t.NotTaken, "not taken"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	return strings.Join(parts, ", ")
}

// A FileReport says what became of one file.
type FileReport struct {
	File  string
	Kind  Kind
	Shape Shape
	Tally
	Advice map[lifecycle.Advice]int // in how many good records
	Broken bool                     // it could not be read to its end; a fault says where
	Notes  []string
}

// A Report says what became of an import.
type Report struct {
	Files []FileReport
	Total Tally

	Faults     []FileFault // the first of them; Options.OnFault hears of all
	FaultCount int         // of all, a record may have several

	Offered int // notices that had nobody to go to, and go to contacts of these files now

	Interrupted bool // it stopped before the end of the files
	RolledBack  bool // nothing was taken, of any file
}

// OK says whether every record of every file was understood and taken.
func (r *Report) OK() bool { return r.FaultCount == 0 && !r.Interrupted && !r.RolledBack }

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for i := range r.Files {
		r.Files[i].text(&b)
	}
	if len(r.Files) > 1 {
		fmt.Fprintf(&b, "all %d files: %s\n", len(r.Files), counted(r.Total.Records, "record")+outcome(r.Total))
	}
	switch {
	case r.Offered == 1:
		b.WriteString("1 notice that had found nobody goes to these contacts now\n")
	case r.Offered > 1:
		fmt.Fprintf(&b, "%d notices that had found nobody go to these contacts now\n", r.Offered)
	}
	if r.FaultCount > 0 {
		fmt.Fprintf(&b, "\n%s", counted(r.FaultCount, "fault"))
		for i, f := range r.Faults {
			if i == 0 {
				b.WriteByte(':')
			}
			fmt.Fprintf(&b, "\n  %s", f.Error())
		}
		if more := r.FaultCount - len(r.Faults); more > 0 && len(r.Faults) > 0 {
			fmt.Fprintf(&b, "\n  … and %d more", more)
		}
		b.WriteByte('\n')
	}
	switch {
	case r.RolledBack:
		b.WriteString("\nNothing was taken: it was to be all or nothing.\n")
	case r.Interrupted:
		b.WriteString("\nStopped before the end. Run it again to go on: what was taken is not taken twice.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *FileReport) text(b *strings.Builder) {
	noun := "record"
	switch f.Kind {
	case Relationships:
		noun = "relationship"
	case Contacts:
		noun = "contact"
	}
	fmt.Fprintf(b, "%s: %s%s\n", f.File, counted(f.Records, noun), outcome(f.Tally))
	for _, a := range slices.Sorted(maps.Keys(f.Advice)) {
		fmt.Fprintf(b, "  %s: %s\n", counted(f.Advice[a], noun), a)
	}
	for _, note := range f.Notes {
		fmt.Fprintf(b, "  %s\n", note)
	}
}

func outcome(t Tally) string {
	if t.Records == 0 {
		return ""
	}
	return ": " + t.String()
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
