package delivery

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
)

const (
	firstBackoff  = time.Second
	lastBackoff   = 5 * time.Minute
	longestPause  = time.Hour // whatever a receiver asks for
	defaultWorker = 64
	defaultTime   = 30 * time.Second
)

// receiver is a Receiver with its own queue and workers, so that a slow one delays no other. Everything is guarded by
// Ledger.mu.
type receiver struct {
	Receiver
	bucket *rate.Limiter // nil without a limit

	mu struct {
		queue       []*record
		workers     int
		pausedUntil time.Time // it asked to be left alone
		retired     bool      // the configuration has it no more
		failures    int       // attempts in a row, over all records, that it did not accept

		pages  []time.Time // when it took those that its budget counts
		paging int         // records that are about to be one of them
		storm
	}
}

func newReceiver(r Receiver) *receiver {
	fresh := &receiver{Receiver: r.withDefaults(), bucket: newBucket(r)}
	fresh.mu.records = map[*record]struct{}{}
	return fresh
}

func (r Receiver) withDefaults() Receiver {
	if r.Workers <= 0 {
		r.Workers = defaultWorker
	}
	if r.Timeout <= 0 {
		r.Timeout = defaultTime
	}
	return r
}

func newBucket(r Receiver) *rate.Limiter {
	if r.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.Rate), max(r.Burst, 1))
}

// offer puts a record into the queue of its receiver. It returns false where it has to wait there. The mutex is held.
func (l *Ledger) offer(rec *record, now time.Time) bool {
	r := rec.receiver
	rec.queued = true
	r.mu.queue = append(r.mu.queue, rec)
	if r.mu.workers >= r.Workers || l.mu.stopped {
		return false
	}
	r.mu.workers++
	l.workers.Go(func() { l.work(r) })
	return !r.mu.pausedUntil.After(now) && (r.bucket == nil || r.bucket.TokensAt(now) >= 1)
}

// work delivers what is in the queue of a receiver until it is empty.
func (l *Ledger) work(r *receiver) {
	for {
		rec := l.take(r)
		if rec == nil {
			return
		}
		if l.admit(r) != nil {
			l.mu.Lock()
			r.mu.workers--
			l.unlock()
			return // stopping: the record is owed durably
		}
		l.deliver(rec)
	}
}

// take takes the next record from the queue; nil tells the worker to end.
func (l *Ledger) take(r *receiver) *record {
	l.mu.Lock()
	defer l.unlock()
	if len(r.mu.queue) == 0 || l.mu.stopped {
		r.mu.workers--
		if r.mu.retired {
			l.retire()
		}
		return nil
	}
	rec := r.mu.queue[0]
	r.mu.queue[0] = nil
	r.mu.queue = r.mu.queue[1:]
	return rec
}

// admit waits until the receiver may be called. An error means that the ledger stops.
func (l *Ledger) admit(r *receiver) error {
	for {
		l.mu.Lock()
		pause := time.Until(r.mu.pausedUntil)
		l.unlock()
		if pause <= 0 {
			break
		}
		if err := wait(l.soft, pause); err != nil {
			return err
		}
	}
	l.mu.Lock()
	bucket := r.bucket
	l.unlock()
	if bucket == nil {
		return l.soft.Err()
	}
	return bucket.Wait(l.soft)
}

// wait waits, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spread sets the jitter of a record apart from that of others and from that of its own earlier failures. It depends on
// nothing else, so that a rehearsal with the same seed retries at the same times.
func (r *record) spread() uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%d", r.Receiver, r.Group, r.Failures) // never fails
	return h.Sum64()
}

// backoff returns how long to wait after a number of failures in a row: 1 s doubling to 5 min, give or take a fifth.
func backoff(failures int, random *rand.Rand) time.Duration {
	d := lastBackoff
	if failures < 10 {
		d = min(lastBackoff, firstBackoff<<max(failures-1, 0))
	}
	return d*4/5 + time.Duration(random.Int64N(int64(d*2/5)))
}
