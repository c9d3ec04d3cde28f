package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenure-dev/tenure/lifecycle"
)

// longestSend is how long handing one letter over may take whatever its channel thinks: a mail server may consider a message
// for ten minutes. Source: RFC 5321, section 4.5.3.2.6.
const longestSend = 11 * time.Minute

// mostPassed is how many letters to nowhere go in one transaction.
const mostPassed = 10_000

// A lane sends what waits on one channel. Its stages work side by side: while some letters are on their way, the next ones are
// claimed and written, and it is noted what became of the last ones.
type lane struct {
	*Courier
	channel string
	atOnce  int
	pace    *pace
	breaker *breaker
	way     *giveWay // shared with the other lanes
}

func newLane(c *Courier, way *giveWay, channel string, atOnce int) *lane {
	atOnce = max(1, atOnce)
	return &lane{Courier: c, channel: channel, atOnce: atOnce, pace: newPace(atOnce), breaker: &breaker{}, way: way}
}

// A drive is one go of a lane, until there is nothing more to claim or something stops it. It lasts as long as one call, and so
// do its contexts: they end at different times, and each stage needs another one.
type drive struct {
	*lane
	ctx     context.Context // nothing is begun once it has ended
	halt    context.CancelCauseFunc
	sending context.Context // what is on its way when ctx ends may still arrive,
	noting  context.Context // and what became of it is noted
	held    *held
	settler *settler
}

// drive sends until a claim comes back empty. more says whether it is worth claiming again at once.
func (l *lane) drive(ctx context.Context) (more bool, err error) {
	sending, endSending := outliving(ctx, grace)
	defer endSending()
	noting, endNoting := outliving(ctx, noteGrace)
	defer endNoting()
	halting, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	held := newHeld(l.Courier)
	d := &drive{lane: l, ctx: halting, halt: halt, sending: sending, noting: noting, held: held, settler: newSettler(l.Courier, l.channel, held)}
	keeping, stopKeeping := context.WithCancel(noting)
	var keeper, settler sync.WaitGroup
	keeper.Go(func() { held.keep(keeping) })
	settler.Go(func() { d.settler.run(noting) })

	l.breaker.begin()
	claimed := d.run()
	d.settler.close()
	settler.Wait()
	stopKeeping() // and not before, lest others take up what is sent and not noted yet
	keeper.Wait()
	if err := d.settler.err; err != nil {
		return false, err
	}
	if err := context.Cause(halting); err != nil && !isTripped(err) {
		return false, err
	}
	return claimed > 0 && l.breaker.goesOn(noting, l.Courier), nil
}

// run has the stages work until all that was claimed is dealt with, and says how many letters that were.
func (d *drive) run() (claimed int) {
	written := make(chan []lifecycle.Letter)
	begun := make(chan []lifecycle.Letter)
	next := make(chan lifecycle.Letter)
	var stages sync.WaitGroup
	stages.Go(func() { defer close(written); claimed = d.claimAll(written) })
	stages.Go(func() { defer close(begun); d.beginAll(written, begun) })
	stages.Go(func() { defer close(next); d.feed(begun, next) })
	for range d.atOnce {
		stages.Go(func() {
			for letter := range next {
				d.settler.add(d.attempt(letter))
			}
		})
	}
	stages.Wait()
	return claimed
}

// claimAll claims letters and writes their messages, one batch ahead of what is being sent. Changes go first: nothing is claimed
// while sweeps are at work.
func (d *drive) claimAll(written chan<- []lifecycle.Letter) (claimed int) {
	for d.ctx.Err() == nil {
		if err := errors.Join(d.believe(d.ctx), d.way.wait(d.ctx, d.Courier)); err != nil {
			d.halt(err)
			return claimed
		}
		if err := d.pass(); err != nil {
			d.halt(err)
			return claimed
		}
		claim := d.claim(d.channel, d.pace.batch())
		letters, err := d.Store.ClaimLetters(d.ctx, claim)
		if err != nil {
			d.halt(fmt.Errorf("claiming notices for channel %s: %w", d.channel, err))
			return claimed
		}
		if len(letters) == 0 {
			return claimed
		}
		claimed += len(letters)
		d.pace.claimed(letters)
		letters = d.held.take(letters, claim.LeaseUntil)
		if err := d.breaker.look(d.ctx, d.Courier, d.channel); err != nil {
			d.halt(err)
			d.giveBack(letters)
			return claimed
		}
		ready := d.prepareAll(letters, claim.Now)
		select {
		case written <- ready:
		case <-d.ctx.Done():
			d.giveBack(ready)
		}
	}
	return claimed
}

// pass sends what leads nowhere, without claiming it.
func (d *drive) pass() error {
	if n, ok := d.Notifier.(leadsNowhere); !ok || !n.LeadsNowhere(d.channel) {
		return nil
	}
	for d.ctx.Err() == nil {
		passed, err := d.Store.PassLetters(d.ctx, d.claim(d.channel, mostPassed))
		if err != nil {
			return fmt.Errorf("passing notices on channel %s: %w", d.channel, err)
		}
		d.Metrics.passed(d.channel, passed)
		if passed < mostPassed {
			break
		}
	}
	return nil
}

// prepareAll looks at each letter again and writes its message, on all processors. It answers with those to be sent, and
// settles the others.
func (d *drive) prepareAll(letters []lifecycle.Letter, now time.Time) (ready []lifecycle.Letter) {
	outcomes, settled, errs := make([][]lifecycle.Settled, len(letters)), make([]bool, len(letters)), make([]error, len(letters))
	var writing errgroup.Group
	writing.SetLimit(runtime.GOMAXPROCS(0))
	const share = 16 // letters for one goroutine, which costs more than a letter that was written before
	for from := 0; from < len(letters); from += share {
		writing.Go(func() error {
			for i := from; i < min(from+share, len(letters)); i++ {
				outcomes[i], settled[i], errs[i] = d.prepare(d.ctx, &letters[i], now)
			}
			return nil
		})
	}
	_ = writing.Wait() // what went wrong is in errs
	ready = make([]lifecycle.Letter, 0, len(letters))
	var again []lifecycle.Letter // went wrong before, and go last: it may be one of them that the channel fails on
	for i := range letters {
		d.settler.add(outcomes[i]...)
		switch {
		case errs[i] != nil:
			d.unwritten(letters[i], errs[i])
		case settled[i]:
		case letters[i].LastError != "":
			again = append(again, letters[i])
		default:
			ready = append(ready, letters[i])
		}
	}
	return append(ready, again...)
}

// unwritten counts the attempt of a letter that could not be written, so that one that never can be is given up in the end.
func (d *drive) unwritten(l lifecycle.Letter, cause error) {
	mine, err := d.Store.BeginLetters(d.ctx, []lifecycle.Letter{l})
	switch {
	case err != nil:
		d.halt(fmt.Errorf("counting an attempt at notice %s: %w", l.NoticeID, err))
		d.settler.add(d.back(&l, nil))
	case len(mine) == 1:
		d.settler.add(d.outcome(d.ctx, &mine[0], cause))
	default:
		d.held.lose([]lifecycle.Letter{l}, nil)
	}
}

// beginAll notes that attempts begin, shortly before they do. What begins together is what goes out in some hundredths of a
// second: many letters where they are quick, since each note is a transaction; few where they are slow, since after a crash
// nobody knows of any of them whether it arrived.
func (d *drive) beginAll(written <-chan []lifecycle.Letter, begun chan<- []lifecycle.Letter) {
	for letters := range written {
		for len(letters) > 0 {
			if d.ctx.Err() != nil {
				d.giveBack(letters)
				break
			}
			n := min(len(letters), d.pace.portion())
			mine, err := d.Store.BeginLetters(d.ctx, letters[:n])
			if err != nil {
				// Perhaps it was written all the same, and an attempt is counted that was none. Nothing is sent.
				d.halt(fmt.Errorf("beginning to send on channel %s: %w", d.channel, err))
				d.giveBack(letters)
				break
			}
			d.held.lose(letters[:n], mine)
			letters = letters[n:]
			begun <- mine
		}
	}
}

// feed hands letters to whoever is free to send one, and watches how quickly they go.
func (d *drive) feed(begun <-chan []lifecycle.Letter, next chan<- lifecycle.Letter) {
	for letters := range begun {
		from := d.Wall()
		for _, letter := range letters {
			next <- letter
		}
		d.pace.fed(len(letters), d.Wall().Sub(from))
	}
}

// attempt hands a letter over that has begun, unless something has come in between, and says what became of it.
func (d *drive) attempt(l lifecycle.Letter) lifecycle.Settled {
	if d.ctx.Err() != nil || !d.held.holds(&l) {
		return d.back(&l, nil)
	}
	from := d.Wall()
	ctx, span := d.beginLetter(d.sending, &l)
	err := d.send(ctx, &l)
	outcome := attemptOutcome(err)
	endLetter(span, outcome)
	if d.sending.Err() == nil { // else it was broken off by ourselves, for which the channel is not to blame
		if stop := d.breaker.note(d.noting, d.Courier, &l, err); stop != nil {
			d.halt(stop)
		}
	}
	d.Metrics.attempted(ctx, &l, outcome, d.Wall().Sub(from), d.Now())
	return d.outcome(ctx, &l, err)
}

func (d *drive) send(ctx context.Context, l *lifecycle.Letter) (err error) {
	ctx, cancel := context.WithTimeout(ctx, longestSend)
	defer cancel()
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%w: %w", lifecycle.ErrUnknown, d.panicked(ctx, "sending", l, x))
		}
	}()
	err = d.Notifier.Send(ctx, *l)
	if err != nil && ctx.Err() != nil && attemptOutcome(err) == outcomeFailed {
		err = fmt.Errorf("%w, since it was broken off: %w", lifecycle.ErrUnknown, err)
	}
	return err
}

// giveBack puts back letters of which no attempt has begun, for anybody to take up at once.
func (d *drive) giveBack(letters []lifecycle.Letter) {
	for i := range letters {
		d.settler.add(d.back(&letters[i], nil))
	}
}
