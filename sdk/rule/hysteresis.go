package rule

import "time"

// Hysteresis keeps an instance active from the moment that one condition holds until another one does: a Schmitt
// trigger for each instance, with the limit to raise apart from the limit to clear. The zero value is ready.
type Hysteresis struct {
	Keep time.Duration // how long an instance that is not seen is remembered; 0: an hour

	memory Memory[Status]
}

// Judge returns what the instance is, now that raise and clear hold or do not. While neither does, it is what it was
// before. One that is not remembered is then healthy, if it is certain to be new ([Memory.Sure]), else unknown: the
// engine keeps the state it has. One that was not asked for in an evaluation in which every target answered was gone: it
// comes back healthy.
func (h *Hysteresis) Judge(w Window, i Instance, raise, clear bool) Status {
	h.memory.Keep = h.Keep
	status, found, left := h.memory.at(w, i)
	switch {
	case raise:
		*status = Active
	case clear:
		*status = Healthy
	case left, !found && h.memory.Sure(w):
		*status = Healthy
	case !found:
		*status = Unknown
	}
	return *status
}

// Hold keeps an instance in mind that cannot be judged this time, and returns what it was.
func (h *Hysteresis) Hold(w Window, i Instance) Status { return h.Judge(w, i, false, false) }

// Save writes what is remembered.
func (h *Hysteresis) Save(w *StateWriter) {
	h.memory.Save(w, func(w *StateWriter, s *Status) { w.Byte(byte(*s)) })
}

// Load reads what Save wrote.
func (h *Hysteresis) Load(r *StateReader) error {
	return h.memory.Load(r, func(r *StateReader, s *Status) {
		if *s = Status(r.Byte()); *s > Unknown {
			r.Fail(s.String())
		}
	})
}
