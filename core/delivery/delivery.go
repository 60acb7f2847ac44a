// Package delivery makes receivers know what they should know, and keeps durable proof of what each of them accepted.
//
// It works by reconciliation: [Ledger.Reconcile] says what should be known, one record for each receiver and group
// says what was accepted, and the ledger closes the difference for as long as it takes: intent committed, sent, result
// committed. Its promise: at least once; duplicates only for what was in flight when a process died or a receiver did
// not answer, and marked; everything that was opened is closed.
package delivery

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Sender makes one attempt to deliver. It must return soon after ctx ends. An error leaves the outcome unknown: the
// receiver may have seen the notification or not.
type Sender interface {
	Send(ctx context.Context, n notifier.Notification) (notifier.Result, error)
}

// Receiver is somebody who is told.
type Receiver struct {
	Name         string // the notifier block's
	Ref          string // kind and name, "pagerduty.oncall": what groups name, part of the identity of records
	Sender       Sender
	SendResolved bool // false: what was opened here is not closed here

	Rate    float64       // notifications a second on average; 0 means no limit
	Burst   int           // of them at once; 0 means 1
	Workers int           // notifications under way at the same time; 0 means 64
	Timeout time.Duration // of one attempt; 0 means 30 s
	Budget  Budget        // of incidents opened one by one
}

// State is the durable store as the ledger uses it. Commits must be durable when they return nil.
type State interface {
	Commit(writes map[string][]byte) error
	Load(prefix string, visit func(key string, value []byte) error) error
}

// Options of a [Ledger].
type Options struct {
	State     State
	Receivers []Receiver

	// Record takes the decisions for the journal; nil drops them.
	Record func(alert.Decision)

	// Settled is told of resolved alerts that no receiver waits for any more, after that is durable. It may be told of
	// the same alert again. Nil ignores them.
	Settled func([]alert.Fingerprint)

	// Retired is told of receivers that [Ledger.Configure] took away, once nothing is open there any more. Nil ignores
	// them.
	Retired func(ref string)

	ExternalURL string // where this Tocsin is reached, for notifications
	Seed        uint64 // of the jitter of retries: the same one, the same times; 0: chance
	Logger      zerolog.Logger
}

// Ledger is the record of what each receiver should know, was told and is owed, and the workers that close the gap.
type Ledger struct {
	options   Options
	receivers map[string]*receiver // by reference; guarded by mu

	soft     context.Context // its end: no new attempts
	stop     context.CancelFunc
	hard     context.Context // its end cuts attempts under way short
	cutShort context.CancelFunc
	wake     chan struct{} // the timetable changed, capacity 1
	dirty    chan struct{} // there is something to write, capacity 1

	scheduler sync.WaitGroup
	workers   sync.WaitGroup
	writer    chan struct{}       // closed when the writer is done
	flush     chan struct{}       // closed: write what there is and end
	stored    map[string]struct{} // keys that storage holds, or may hold; the writer's

	mu struct {
		sync.Mutex
		started, stopped bool
		reconciled       bool // before that nobody knows what should be known, so nothing is sent
		records          map[recordKey]*record
		timetable        timetable
		owed             map[alert.Fingerprint]int // resolved alerts, and how many records wait for them
		journal          []alert.Decision          // recorded when the mutex is let go
		retired          []string                  // told when the mutex is let go
		stormy           map[*receiver]struct{}    // whose storm is counted again when the mutex is let go

		batch      *batch    // what the writer takes next
		refused    error     // what storage said last, nil while it accepts
		refusedAt  time.Time // since when it refuses
		generation uint64    // of what should be known: counts Reconcile and Update

		writingSince time.Time // since when the writer is at its present batch, zero while it has none
	}
}

type recordKey struct{ receiver, group string }

// New loads the records that a former process left. Nothing is sent before [Ledger.Start] and the first
// [Ledger.Reconcile], which has to name everything that should be known: what was opened and is not named is closed.
func New(options Options) (*Ledger, error) {
	if options.Seed == 0 {
		options.Seed = rand.Uint64()
	}
	l := &Ledger{
		options: options, receivers: map[string]*receiver{},
		wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		writer: make(chan struct{}), flush: make(chan struct{}), stored: map[string]struct{}{},
	}
	l.soft, l.stop = context.WithCancel(context.Background())
	l.hard, l.cutShort = context.WithCancel(context.Background())
	l.mu.records = map[recordKey]*record{}
	l.mu.owed = map[alert.Fingerprint]int{}
	l.mu.stormy = map[*receiver]struct{}{}
	l.mu.batch = newBatch()
	if err := Check(options.Receivers); err != nil {
		return nil, err
	}
	for _, r := range options.Receivers {
		l.receivers[r.Ref] = newReceiver(r)
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	return l, nil
}

// load reads the records. One that cannot be read is set aside, so that it blocks nothing and remains for whoever
// wants to look at it.
func (l *Ledger) load() error {
	aside := map[string][]byte{}
	err := l.options.State.Load(recordPrefix, func(key string, value []byte) error {
		rec, err := decodeRecord(value)
		if err == nil && rec.storeKey() != key {
			err = fmt.Errorf("it is that of %s %s", rec.Receiver, rec.Group)
		}
		if err != nil {
			l.options.Logger.Error().Err(err).Str("key", key).
				Msg("a delivery record is damaged and was set aside: an incident it opened must be closed by hand")
			aside[damagedPrefix+key], aside[key] = append([]byte{}, value...), nil
			return nil
		}
		rec.receiver = l.receivers[rec.Receiver]
		if rec.receiver == nil {
			l.options.Logger.Error().Str("receiver", rec.Receiver).Str("group", rec.Group).
				Msg("an incident is open at a receiver that is not configured any more: it is closed when the receiver is back")
			rec.Error = "the receiver is not configured"
		}
		l.remember(rec)
		l.weigh(rec)
		l.stored[key] = struct{}{}
		l.mu.records[recordKey{rec.Receiver, rec.Group}] = rec
		return nil
	})
	if err != nil {
		return fmt.Errorf("load delivery records: %w", err)
	}
	if len(aside) > 0 {
		if err := l.options.State.Commit(aside); err != nil {
			l.options.Logger.Error().Err(err).Msg("setting damaged delivery records aside failed, they stay where they are")
		}
	}
	return nil
}

// remember records what a record holds that was written by a former process, whose journal may lack the last lines.
func (l *Ledger) remember(rec *record) {
	for i := range rec.Instances {
		inst := &rec.Instances[i]
		if inst.Status == Summed {
			l.decide(rec, alert.Decision{
				Kind: alert.KindWithheld, Cause: alert.CauseStorm, By: stormAlert, Rule: inst.Rule, Fingerprint: inst.Fingerprint, Labels: inst.Labels,
				Value: inst.Value, Reason: string(alert.CauseStorm) + " before the start",
			})
		}
		if inst.Status != Open {
			continue
		}
		l.decide(rec, alert.Decision{
			Kind: alert.KindAccepted, Cause: alert.CauseRemembered, Rule: inst.Rule, Fingerprint: inst.Fingerprint, Labels: inst.Labels,
			Value: inst.Value, To: "firing", Reason: "accepted at " + clock(inst.ToldAt) + ", before the start",
		})
	}
	if a := rec.Attempt; a != nil && !a.Answered {
		l.decide(rec, alert.Decision{
			Kind: alert.KindRetry, Cause: alert.CauseInterrupted, Delivery: a.ID, Attempt: a.Number,
			Reason: "the process ended before the receiver answered: it is sent again as a possible repeat",
		})
	}
}

// weigh takes a record that a former process left into the account of its receiver. The mutex is held, or the ledger not
// yet shared.
func (l *Ledger) weigh(rec *record) {
	if rec.receiver == nil {
		return
	}
	switch at := rec.toldAt(); {
	case rec.isStorm() || rec.paging:
	case !at.IsZero():
		rec.receiver.mu.pages = append(rec.receiver.mu.pages, at)
	case rec.opened(): // it was about to be
		rec.paging = true
		rec.receiver.mu.paging++
	}
	if rec.isStorm() || rec.holdsSummed() {
		l.stormy(rec)
	}
}

// Start begins to deliver.
func (l *Ledger) Start() {
	l.mu.Lock()
	defer l.unlock()
	if l.mu.started || l.mu.stopped {
		return
	}
	l.mu.started = true
	l.scheduler.Go(l.schedule)
	go l.write()
}

// Stop begins nothing new, waits for the attempts under way until ctx ends, then cuts them short, and writes down how
// they ended. What was not sent, or not answered, is durable and taken up by the next process. The error says that
// something could not be waited for or written.
func (l *Ledger) Stop(ctx context.Context) error {
	l.mu.Lock()
	running := l.mu.started && !l.mu.stopped
	l.mu.stopped = true
	l.unlock()
	if !running {
		return nil
	}
	l.stop()
	defer l.cutShort()
	defer context.AfterFunc(ctx, l.cutShort)()

	l.scheduler.Wait()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		l.workers.Wait()
	}()
	err := l.outlast(drained, "a sender does not return")
	close(l.flush)
	err = errors.Join(err, l.outlast(l.writer, "storage does not answer"))
	l.mu.Lock()
	defer l.unlock()
	if refused := l.mu.refused; refused != nil {
		err = errors.Join(err, fmt.Errorf("stop delivery: the last results are not written: %w", refused))
	}
	return err
}

// outlast waits until done is closed, not much longer than attempts may take.
func (l *Ledger) outlast(done <-chan struct{}, otherwise string) error {
	select {
	case <-done:
		return nil
	case <-l.hard.Done():
	}
	select {
	case <-done:
		return nil
	case <-time.After(stopGrace):
		return errors.New("stop delivery: " + otherwise)
	}
}

// stopGrace is how long after the end of Stop's context a sender or the storage may still take to notice.
const stopGrace = time.Second

// Degraded tells since when storage refuses what is delivered, and what it says; a nil error means that all is well.
func (l *Ledger) Degraded() (since time.Time, err error) {
	l.mu.Lock()
	defer l.unlock()
	return l.mu.refusedAt, l.mu.refused
}

// unlock lets the mutex go, and hands the decisions of meanwhile to the journal.
func (l *Ledger) unlock() {
	l.tellStorms(time.Now())
	decisions, retired := l.mu.journal, l.mu.retired
	l.mu.journal, l.mu.retired = nil, nil
	l.mu.Unlock()
	if l.options.Retired != nil {
		for _, ref := range retired {
			l.options.Retired(ref)
		}
	}
	if l.options.Record != nil {
		for _, d := range decisions {
			l.options.Record(d)
		}
	}
}

// decide notes a decision about a record. The mutex is held.
func (l *Ledger) decide(rec *record, d alert.Decision) {
	if l.options.Record == nil {
		return
	}
	if d.Time.IsZero() {
		d.Time = time.Now()
	}
	d.Receiver, d.Group = rec.Receiver, rec.Group
	l.mu.journal = append(l.mu.journal, d)
}

// schedule waits for the next record that is due and hands it to its receiver.
func (l *Ledger) schedule() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.soft.Done():
			return
		case <-l.wake:
		case <-timer.C:
		}
		l.mu.Lock()
		now := time.Now()
		for len(l.mu.timetable) > 0 && !l.mu.timetable[0].due.After(now) {
			rec := l.mu.timetable[0]
			l.mu.timetable.remove(rec)
			l.wakeUp(rec, now)
		}
		if len(l.mu.timetable) > 0 {
			timer.Reset(l.mu.timetable[0].due.Sub(now))
		} else {
			timer.Stop()
		}
		l.unlock()
	}
}

// plan puts a record into the timetable for the time at which something is to be sent or noted. The mutex is held.
func (l *Ledger) plan(rec *record, now time.Time) {
	if !l.mu.reconciled || rec.receiver == nil {
		return
	}
	var due time.Time
	if !rec.busy && !rec.queued {
		due = rec.next(now)
	}
	if due.After(now) || due.IsZero() {
		if mark := rec.nextMark(); !mark.IsZero() && (due.IsZero() || mark.Before(due)) {
			due = mark
		}
	}
	if overdue := rec.overdueAt(); overdue.After(now) && (due.IsZero() || overdue.Before(due)) {
		due = overdue
	}
	switch {
	case due.IsZero():
		l.mu.timetable.remove(rec)
	case due.Equal(rec.due) && rec.at >= 0:
	default:
		l.mu.timetable.set(rec, due)
		if l.mu.timetable[0] == rec {
			signal(l.wake)
		}
	}
}

// signal wakes whoever waits on c, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// timetable is a heap of records by the time at which they are due.
type timetable []*record

func (t timetable) Len() int           { return len(t) }
func (t timetable) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timetable) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].at, t[j].at = i, j
}

// Push implements [heap.Interface].
func (t *timetable) Push(x any) {
	rec := x.(*record)
	rec.at = len(*t)
	*t = append(*t, rec)
}

// Pop implements [heap.Interface].
func (t *timetable) Pop() any {
	last := len(*t) - 1
	rec := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	rec.at = -1
	return rec
}

func (t *timetable) set(rec *record, due time.Time) {
	rec.due = due
	if rec.at < 0 {
		heap.Push(t, rec)
		return
	}
	heap.Fix(t, rec.at)
}

func (t *timetable) remove(rec *record) {
	if rec.at >= 0 {
		heap.Remove(t, rec.at)
	}
}
