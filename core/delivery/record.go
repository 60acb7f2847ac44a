package delivery

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

const (
	recordPrefix  = "delivery/record/"  // + dedup key: a record as JSON
	damagedPrefix = "delivery-damaged/" // + old key: what stood there and could not be read
)

// record is what one receiver knows of one group, and what it is owed. Everything is guarded by Ledger.mu.
//
// What should be known (group), and what is known of each alert (Instances), are kept side by side; what is to be sent
// is the difference, computed when it is needed (see content), so that it is always the newest.
type record struct {
	Receiver  string       `json:"receiver"`
	Group     string       `json:"group"`
	Labels    frame.Labels `json:"labels,omitempty"` // of the group
	Instances []Instance   `json:"instances"`        // ordered by fingerprint

	AcceptedAt time.Time `json:"acceptedAt,omitzero"`
	Accepted   uint64    `json:"accepted,omitempty"`  // how many notifications of this record the receiver accepted
	Reference  string    `json:"reference,omitempty"` // what it answered to the last one of the incident that is open

	Attempt  *Attempt  `json:"attempt,omitempty"`  // the last one, nil when it was accepted
	Unknown  bool      `json:"unknown,omitempty"`  // since the last acceptance an attempt ended without an answer
	Failures int       `json:"failures,omitempty"` // attempts in a row that were not accepted
	NextAt   time.Time `json:"nextAt,omitzero"`    // after a failure: when to try again
	Error    string    `json:"error,omitempty"`    // of the last attempt
	Dead     string    `json:"dead,omitempty"`     // hash of the content that was rejected for ever

	receiver *receiver   // nil where it is not configured any more
	dedup    string      // 64 hexadecimal digits
	group    alert.Group // as last reconciled
	present  bool        // group is still wanted
	adopted  bool        // what is wanted is known: before the first Reconcile it is not

	behind map[*record]bool // of the group of a fallback: those it stands in for, and whether they are overdue

	generation uint64 // of the Reconcile that last named the group
	queued     bool   // waits for a worker of the receiver
	busy       bool   // a worker has it
	due        time.Time
	at         int // position in the timetable, -1 when it is not there
	owes       []alert.Fingerprint
	version    uint64 // of what is wanted: counts the changes that matter
	size       int    // bytes of the record when it was last written
	paging     bool   // it takes a page of the receiver's budget

	news notifier.Reason // of a storm: why its alert is to be told again, "" if it is not
}

// Status is what a receiver knows of an alert.
type Status string

// The statuses. Of an alert without one the receiver knows nothing, and nothing is owed.
const (
	Due    Status = "due"    // the receiver should know that it fires, and was not told yet
	Maybe  Status = "maybe"  // it was told something and did not answer: it may believe that it fires
	Open   Status = "open"   // it accepted that it fires
	Summed Status = "summed" // the receiver hears of it by the storm page alone; ToldAt is when it accepted one that counts it
	Closed Status = "closed" // it accepted that it is over, or need not be told; kept while the alert is listed
)

// Instance is what the receiver of a record knows of one alert. For one that may be open it holds what is needed to
// close it when the alert itself is gone.
type Instance struct {
	Fingerprint alert.Fingerprint `json:"fingerprint"`
	Status      Status            `json:"status"`
	Revision    uint64            `json:"revision,omitempty"`
	ToldAt      time.Time         `json:"toldAt,omitzero"` // when the receiver accepted that it fires; zero where it was over by then

	Rule        string            `json:"rule,omitempty"`
	Labels      frame.Labels      `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt,omitzero"`
	Value       float64           `json:"value,omitempty"`

	Ended  bool      `json:"ended,omitempty"`  // its end alone was sent, perhaps in vain: that it fired need not be told any more
	Lifted string    `json:"lifted,omitempty"` // of what was withheld and is due now: what withheld it
	Gone   string    `json:"gone,omitempty"`   // why the alert is not wanted here any more although it did not resolve
	GoneAt time.Time `json:"goneAt,omitzero"`

	summed uint64 // counts what is summed up, so that it is known which storm page told of it first
}

// open tells that the receiver believes, or may believe, that the alert fires.
func (i *Instance) open() bool { return i.Status == Open || i.Status == Maybe }

// Attempt is one try to deliver.
type Attempt struct {
	ID       string    `json:"id"`     // the same for all attempts at the same content
	Hash     string    `json:"hash"`   // of the content
	Number   int       `json:"number"` // from 1
	Since    time.Time `json:"since"`
	Answered bool      `json:"answered,omitempty"` // the receiver said no; false: in flight, or no answer
}

// dedupKey names an incident of a group at a receiver: 64 hexadecimal digits, the same after every restart.
func dedupKey(receiver, group string) string {
	sum := sha256.Sum256([]byte(receiver + "\x00" + group))
	return hex.EncodeToString(sum[:])
}

func newRecord(g *alert.Group, r *receiver) *record {
	rec := &record{Receiver: g.Receiver, Group: g.Key, Labels: g.Labels, receiver: r, at: -1}
	rec.dedup = dedupKey(rec.Receiver, rec.Group)
	if r == nil {
		rec.Error = "the receiver is not configured"
	}
	return rec
}

func (r *record) storeKey() string { return recordPrefix + r.dedup }

// encode returns what is to be stored: nil, so nothing, where nothing is open or owed.
func (r *record) encode() []byte {
	if !r.unsettled() {
		return nil
	}
	return r.append(make([]byte, 0, r.size+256))
}

// decodeRecord reads what encode wrote.
func decodeRecord(value []byte) (*record, error) {
	rec := &record{at: -1}
	if err := json.Unmarshal(value, rec); err != nil {
		return nil, fmt.Errorf("read delivery record: %w", err)
	}
	if rec.Receiver == "" || rec.Group == "" {
		return nil, errors.New("read delivery record: it names no receiver or no group")
	}
	for i, inst := range rec.Instances {
		switch inst.Status {
		case Due, Maybe, Open, Summed, Closed:
		default:
			return nil, fmt.Errorf("read delivery record: unknown status %q", inst.Status)
		}
		if i > 0 && inst.Fingerprint <= rec.Instances[i-1].Fingerprint {
			return nil, errors.New("read delivery record: its alerts are out of order")
		}
	}
	rec.dedup = dedupKey(rec.Receiver, rec.Group)
	if rec.Attempt != nil && !rec.Attempt.Answered {
		rec.Unknown, rec.NextAt = true, time.Time{} // it was in flight when the process ended: at once, as a possible repeat
	}
	return rec, nil
}

// unsettled tells that the receiver knows of something open, or should.
func (r *record) unsettled() bool {
	return slices.ContainsFunc(r.Instances, func(i Instance) bool { return i.Status != Closed })
}

// opened tells that an incident is open at the receiver, or may be.
func (r *record) opened() bool {
	return slices.ContainsFunc(r.Instances, func(i Instance) bool { return i.open() })
}

// find returns the position of an alert in Instances, or where it belongs.
func (r *record) find(fp alert.Fingerprint) (int, bool) {
	return slices.BinarySearchFunc(r.Instances, fp, func(i Instance, fp alert.Fingerprint) int {
		return cmp.Compare(i.Fingerprint, fp)
	})
}

// status returns what is known of an alert, "" for nothing.
func (r *record) status(fp alert.Fingerprint) Status {
	if at, known := r.find(fp); known {
		return r.Instances[at].Status
	}
	return ""
}

// put notes what is known of an alert; "" for nothing.
func (r *record) put(fp alert.Fingerprint, status Status) *Instance {
	at, known := r.find(fp)
	if status == "" {
		if known {
			r.Instances = slices.Delete(r.Instances, at, at+1)
		}
		return nil
	}
	if !known {
		if r.Instances == nil { // those of the group come soon, and seldom more
			r.Instances = make([]Instance, 0, max(1, len(r.group.Members)))
		}
		r.Instances = slices.Insert(r.Instances, at, Instance{Fingerprint: fp})
	}
	switch inst := &r.Instances[at]; status { // where nothing is open, there is nothing to close and nothing to keep
	case Due:
		*inst = Instance{Fingerprint: fp, Lifted: inst.Lifted}
	case Closed:
		*inst = Instance{Fingerprint: fp}
	}
	r.Instances[at].Status = status
	return &r.Instances[at]
}
