package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Store takes what an import brings. Unless it was opened as atomic, each batch is a transaction of its own, which stands
// once the call has returned without an error; an atomic one is a single transaction until Commit. [Import] calls exactly
// one of Commit and Rollback, at the end, whatever happens.
type Store interface {
	// Relationships takes a batch, in which no id comes twice, and answers for each record, in the same order.
	// The batch belongs to the caller again once it returns.
	Relationships(ctx context.Context, batch []lifecycle.Incoming, p *lifecycle.Policy, now time.Time) ([]lifecycle.Intake, error)

	// Contacts takes a batch, in which no tenant, role and mail address come twice together. Notices that had nobody to go to
	// are offered to those who are new. The batch belongs to the caller again once it returns.
	Contacts(ctx context.Context, batch []lifecycle.Contact, p *lifecycle.NoticePolicy, now time.Time) (lifecycle.ContactCounts, error)

	Commit() error
	Rollback() error
}

// Options say how to import. The zero value of each is a good one, but for Policy and Now, which are needed.
type Options struct {
	Partner string // tenant id of the partner whose the relationships are, unless a record says so itself
	Partial bool   // take a list response though it carries @odata.nextLink
	Strict  bool   // all or nothing; the store must have been opened as atomic
	Kind    Kind   // what the records are; KindUnknown: decided for each file by its first record
	Policy  *lifecycle.Policy
	Now     time.Time

	BatchSize  int // records in a transaction; 0: 2,000
	KeepFaults int // how many faults the report holds; 0: 20, negative: none, for who reports them as OnFault hears of them

	Stdin   io.Reader // what the file name "-" stands for
	TempDir string    // where that is spooled; empty: the operating system's

	Progress func(done, total int64, records int) // bytes read and to be read, records met; called every 1,000 records or so
	OnFault  func(FileFault)                      // hears of every fault as it occurs, those of a run rolled back too
}

const (
	defaultBatch      = 2000
	progressEvery     = 1000
	defaultKeepFaults = 20

	// longestBatch keeps a thousand monstrous records from being in memory at once; it is in bytes of the file.
	longestBatch = 8 << 20
)

func (o *Options) complete() error {
	if o.BatchSize <= 0 {
		o.BatchSize = defaultBatch
	}
	if o.KeepFaults == 0 {
		o.KeepFaults = defaultKeepFaults
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64, int) {}
	}
	if o.OnFault == nil {
		o.OnFault = func(FileFault) {}
	}
	o.Partner = strings.ToLower(o.Partner)
	if o.Partner != "" && !lifecycle.IsGUID(o.Partner) {
		return fmt.Errorf("--partner %q is not a GUID; give the partner's tenant id", o.Partner)
	}
	if o.Policy == nil || o.Now.IsZero() {
		return errors.New("import: needs a policy and an instant")
	}
	return nil
}

// Import reads files into store. Every file is opened and looked at before anything is taken from any; if one cannot be
// used, the error joins a *[FileError] for each such, and nothing is taken.
//
// From then on a bad record is reported and the good ones are taken; with o.Strict one bad record is enough for nothing to be
// taken, and the rest is still read, so that all faults are known. Running an import again takes nothing twice. When ctx
// ends, the batch in hand is dropped and the error is ctx's; after an error of the store likewise. In every case the report
// says what was taken.
func Import(ctx context.Context, store Store, o Options, files ...string) (Report, error) {
	im := importer{store: store, o: o, seen: newSeen()}
	err := im.o.complete()
	if err == nil && len(files) == 0 {
		err = errors.New("nothing to import; name a file, or - for standard input")
	}
	var sources []*source
	if err == nil {
		sources, err = openAll(ctx, files, &im.o)
	}
	if err == nil {
		err = im.files(ctx, sources)
	} else {
		im.report.Interrupted = ctx.Err() != nil
	}
	return im.finish(err, closeAll(sources))
}

// finish closes the transaction and the books.
func (im *importer) finish(err, closing error) (Report, error) {
	r := &im.report
	if im.o.Strict && (err != nil || r.FaultCount > 0) {
		r.RolledBack = true
	}
	over, doing := im.store.Commit, "committing"
	if err != nil || r.RolledBack {
		over, doing = im.store.Rollback, "rolling back"
	}
	if failed := over(); failed != nil {
		err = errors.Join(err, fmt.Errorf("import: %s: %w", doing, failed))
		r.RolledBack = r.RolledBack || im.o.Strict
	}
	for i := range r.Files {
		t := &r.Files[i].Tally
		if r.RolledBack {
			t.NotTaken += t.Created + t.Updated
			t.Created, t.Updated = 0, 0
		}
		r.Total.add(*t)
	}
	if r.RolledBack {
		r.Offered = 0
	}
	return *r, errors.Join(err, closing)
}

// An importer is one run of [Import].
type importer struct {
	store  Store
	o      Options
	report Report
	seen   *seen

	done, total int64 // bytes of the files before this one, and of all
	records     int   // of the files before this one
	file        *FileReport
	number      int // of the file, from 0
	relations   relationshipReader

	incoming []lifecycle.Incoming
	contacts []lifecycle.Contact
	origins  []origin // of the batch, one for each record
	size     int      // of the batch, in bytes of the file
}

// An origin is where a record of a batch came from.
type origin struct {
	line int
	id   string
}

func (im *importer) files(ctx context.Context, sources []*source) error {
	im.relations = relationshipReader{partner: im.o.Partner, policy: im.o.Policy, now: lifecycle.Instant(im.o.Now)}
	im.report.Files = make([]FileReport, 0, len(sources))
	for _, s := range sources {
		im.total += s.size
	}
	for i, s := range sources {
		im.report.Files = append(im.report.Files, FileReport{File: s.name, Kind: im.o.Kind, Shape: s.shape, Advice: map[lifecycle.Advice]int{}})
		im.file, im.number = &im.report.Files[i], i
		if err := im.oneFile(ctx, s); err != nil {
			im.dropBatch()
			im.report.Interrupted = true
			return err
		}
		im.done += s.size
		im.records += im.file.Records
		im.o.Progress(im.done, im.total, im.records)
	}
	return nil
}

func (im *importer) oneFile(ctx context.Context, s *source) error {
	in, err := s.open()
	if err != nil {
		return err
	}
	defer in.Close()
	reading, err := readAhead(ctx, s, in, understander{relations: im.relations, kind: im.o.Kind})
	if err != nil {
		return err
	}
	defer reading.stop()
	for {
		b := <-reading.full
		if err := im.takeBlock(ctx, b); err != nil {
			return err
		}
		var broken *Broken
		switch err := b.err; {
		case errors.Is(err, io.EOF) || errors.As(err, &broken):
			im.endOfFile(broken)
			return im.flush(ctx)
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("import stopped at %s: %w", s.name, ctx.Err())
		case err != nil:
			return inFile(s.name, err)
		}
		reading.done(b)
	}
}

// takeBlock puts records into the batch, and hands on each batch that is full.
func (im *importer) takeBlock(ctx context.Context, b *block) error {
	for i := range b.records {
		if ctx.Err() != nil {
			return fmt.Errorf("import stopped at %s: %w", im.file.File, ctx.Err())
		}
		u := &b.records[i]
		im.take(u)
		if im.full() {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
		if im.file.Records%progressEvery == 0 {
			im.o.Progress(im.done+u.offset, im.total, im.records+im.file.Records)
		}
	}
	return nil
}

// endOfFile notes how the file ended.
func (im *importer) endOfFile(broken *Broken) {
	switch {
	case broken != nil:
		im.file.Broken = true
		im.fault(broken.Line, "", lifecycle.Fault{Reason: broken.Error()})
		im.file.Notes = append(im.file.Notes, fmt.Sprintf("broken at line %d: what stands before it was read, nothing after it", broken.Line))
	case im.file.Records == 0:
		im.file.Notes = append(im.file.Notes, "it holds no records; an empty list changes nothing")
	}
}

// take puts a record into the batch, unless something is wrong with it.
func (im *importer) take(u *understood) {
	im.file.Records++
	im.size += u.size
	im.file.Kind = u.kind
	switch {
	case u.bad:
		im.faulty(u.line, u.id, u.faults...)
	case u.kind == Relationships:
		im.takeRelationship(u)
	case u.kind == Contacts:
		im.takeContact(u)
	}
}

func (im *importer) takeRelationship(u *understood) {
	in := &u.incoming
	if !im.isNew("r|"+in.ID, in.Digest, "id", in.ID, u.line) {
		return
	}
	for _, a := range u.advice {
		im.file.Advice[a]++
	}
	im.incoming = append(im.incoming, *in)
	im.origins = append(im.origins, origin{u.line, in.ID})
}

func (im *importer) takeContact(u *understood) {
	c := &u.contact
	if im.isNew("c|"+contactKey(c), digestOf(c), "mail", c.Mail, u.line) {
		im.contacts = append(im.contacts, *c)
		im.origins = append(im.origins, origin{line: u.line})
	}
}

// isNew says whether the record has not been met in this run. One that was met with other content is a fault.
func (im *importer) isNew(key, digest, field, value string, line int) bool {
	how, before := im.seen.meet(key, digest, im.number, line)
	switch how {
	case same:
		im.file.Repeated++
	case contradicting:
		where := fmt.Sprintf("line %d", before.line)
		if int(before.file) != im.number {
			where = fmt.Sprintf("%s:%d", im.report.Files[before.file].File, before.line)
		}
		im.faulty(line, "", lifecycle.Fault{Field: field, Value: value,
			Reason: fmt.Sprintf("is at line %d and at %s with different content; the one met first counts, take the other out", line, where)})
	}
	return how == first
}

// faulty reports a record that is not understood.
func (im *importer) faulty(line int, id string, faults ...lifecycle.Fault) {
	im.file.Faulty++
	for _, f := range faults {
		im.fault(line, id, f)
	}
}

func (im *importer) fault(line int, id string, f lifecycle.Fault) {
	ff := newFileFault(im.file.File, line, id, f)
	im.report.FaultCount++
	if len(im.report.Faults) < im.o.KeepFaults {
		im.report.Faults = append(im.report.Faults, ff)
	}
	im.o.OnFault(ff)
}

// newFileFault keeps the id and the value short: either may be as long as a record.
func newFileFault(file string, line int, id string, f lifecycle.Fault) FileFault {
	f.Value = shortened(f.Value)
	return FileFault{File: file, Line: line, ID: printable(id), Fault: f}
}

func shortened(s string) string {
	const longest = 1 << 10
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

func (im *importer) full() bool {
	return len(im.incoming)+len(im.contacts) >= im.o.BatchSize || im.size >= longestBatch
}

// flush hands the batch to the store.
func (im *importer) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("import stopped at %s: %w", im.file.File, err)
	}
	if len(im.incoming) > 0 {
		if err := im.flushRelationships(ctx); err != nil {
			return fmt.Errorf("import: storing relationships of %s: %w", im.file.File, err)
		}
	}
	if len(im.contacts) > 0 {
		if err := im.flushContacts(ctx); err != nil {
			return fmt.Errorf("import: storing contacts of %s: %w", im.file.File, err)
		}
	}
	im.emptyBatch()
	return nil
}

func (im *importer) flushRelationships(ctx context.Context) error {
	intakes, err := im.store.Relationships(ctx, im.incoming, im.o.Policy, im.relations.now)
	if err != nil {
		return err
	}
	if len(intakes) != len(im.incoming) {
		return fmt.Errorf("%d answers to %d records", len(intakes), len(im.incoming))
	}
	for i, intake := range intakes {
		switch intake.Taken {
		case lifecycle.TakenNew:
			im.file.Created++
		case lifecycle.TakenChanged:
			im.file.Updated++
		case lifecycle.TakenBefore:
			im.file.Unchanged++
		default:
			f := lifecycle.Fault{Reason: "was refused by the store"}
			if intake.Fault != nil {
				f = *intake.Fault
			}
			im.refused(im.origins[i], f)
		}
	}
	return nil
}

func (im *importer) flushContacts(ctx context.Context) error {
	counts, err := im.store.Contacts(ctx, im.contacts, &im.o.Policy.Notices, im.relations.now)
	if err != nil {
		return err
	}
	im.file.add(Tally{Created: counts.Created, Updated: counts.Updated, Unchanged: counts.Unchanged})
	im.report.Offered += counts.Offered
	for _, r := range counts.Refused {
		im.refused(im.origins[r.Index], r.Fault)
	}
	return nil
}

func (im *importer) refused(from origin, f lifecycle.Fault) {
	im.file.Refused++
	im.fault(from.line, from.id, f)
}

// dropBatch gives up the records in hand.
func (im *importer) dropBatch() {
	im.file.NotTaken += len(im.incoming) + len(im.contacts)
	im.emptyBatch()
}

func (im *importer) emptyBatch() {
	clear(im.incoming) // so that the strings of the last batch can go
	im.incoming, im.contacts, im.origins, im.size = im.incoming[:0], im.contacts[:0], im.origins[:0], 0
}
