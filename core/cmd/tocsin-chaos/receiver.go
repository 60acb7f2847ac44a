package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// told is what a receiver took.
type told struct {
	at     time.Duration // since the start of the run
	id     int           // of the incident
	firing bool
	marked bool   // said to be a possible repeat
	lost   bool   // the sender got no answer
	key    string // what a repetition has in common with the first time: the dedup_key, the id of the delivery
}

// weakness is how a receiver may treat a request.
type weakness uint8

const (
	healthy    weakness = iota
	broken              // 500
	throttled           // 429 with Retry-After
	slow                // an answer after the sender gave up, without having taken anything
	cut                 // the connection ends before anything was taken
	hanging             // taken, and never answered
	answerLost          // taken, and the connection ends before the answer
)

// odds are those of each weakness after the outage, in percent.
var odds = map[weakness]int{broken: 15, throttled: 10, slow: 3, cut: 5, hanging: 3, answerLost: 9}

// receiver is a service that fails as it is told to, and writes down what it took.
type receiver struct {
	name   string
	start  time.Time
	outage time.Duration // until then nothing is taken at all; negative: it never fails
	decode func(*http.Request, []byte) (told, error)
	accept int // the status of success

	mu     sync.Mutex
	random *rand.Rand // guarded by mu
	took   []told     // guarded by mu
	faults int        // guarded by mu
	odd    []error    // guarded by mu; requests that nobody should send
}

func (r *receiver) next() weakness {
	if r.outage < 0 {
		return healthy
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.start) < r.outage {
		r.faults++
		return [...]weakness{broken, cut, slow}[r.random.IntN(3)]
	}
	roll := r.random.IntN(100)
	for w := broken; w <= answerLost; w++ {
		if roll -= odds[w]; roll < 0 {
			r.faults++
			return w
		}
	}
	return healthy
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(io.LimitReader(request.Body, 1<<20))
	if err != nil {
		return // the sender was killed
	}
	t, err := r.decode(request, body)
	if err != nil {
		r.mu.Lock()
		r.odd = append(r.odd, fmt.Errorf("%s: %w", r.name, err))
		r.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	weakness := r.next()
	switch weakness {
	case broken:
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	case throttled:
		w.Header().Set("Retry-After", "2")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	case slow:
		<-request.Context().Done()
		return
	case cut:
		panic(http.ErrAbortHandler)
	}
	t.lost = weakness != healthy
	r.mu.Lock()
	t.at = time.Since(r.start)
	r.took = append(r.took, t)
	r.mu.Unlock()
	switch weakness {
	case hanging:
		<-request.Context().Done()
	case answerLost:
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(r.accept)
		fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, t.key)
	}
}

// decodePagerDuty reads an event of the Events API v2.
func decodePagerDuty(_ *http.Request, body []byte) (told, error) {
	var event struct {
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     struct {
			CustomDetails struct {
				Group          map[string]string `json:"group"`
				PossibleRepeat string            `json:"possible_repeat"`
			} `json:"custom_details"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return told{}, fmt.Errorf("decode an event: %w", err)
	}
	details := &event.Payload.CustomDetails
	id, err := strconv.Atoi(details.Group["id"])
	if err != nil {
		return told{}, fmt.Errorf("an event about no incident: %.300s", body)
	}
	return told{id: id, firing: event.EventAction == "trigger", marked: details.PossibleRepeat != "", key: event.DedupKey}, nil
}

// decodeWebhook reads Alertmanager's payload v4.
func decodeWebhook(request *http.Request, body []byte) (told, error) {
	var payload struct {
		Status      string            `json:"status"`
		GroupLabels map[string]string `json:"groupLabels"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return told{}, fmt.Errorf("decode a payload: %w", err)
	}
	id, err := strconv.Atoi(payload.GroupLabels["id"])
	if err != nil {
		return told{}, fmt.Errorf("a payload about no incident: %.300s", body)
	}
	return told{
		id: id, firing: payload.Status == "firing",
		marked: request.Header.Get("X-Tocsin-Attempt") != "1", key: request.Header.Get("X-Tocsin-Delivery"),
	}, nil
}
