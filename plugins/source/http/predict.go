package httpsource

import "bytes"

// Predict, don't parse.
//
// A page is nearly the same bytes each time. Where the bytes between two values are those that Prometheus' parser
// read the last time, and the parser was in the same state before them, it would read the same again: so only the
// value is read.
//
// Why that is right: call a position of a page clean if Prometheus' parser begins an entry there. The beginning of a
// page is clean. From a clean position on, entries follow from the bytes and from the TYPE declaration in force,
// nothing else. If the bytes up to a value are those of a known line that began at a clean position under the same
// declaration, the entries are the same; a value read as Prometheus would and an end of line lead to a clean
// position again, and leave the declaration of that line in force. Where that does not hold, see resync.

// predict reads a page by comparing it with the one before. False means: nothing is known of this page, parse it.
func (p *page) predict(text []byte) (row, bool) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return row{}, false
	}
	raw := p.spare()
	raw.values, raw.stamps = raw.values[:0], raw.stamps[:0]
	pos, i := p.run(text, 0, 0, raw)
	if i == len(p.ends) && bytes.Equal(text[pos:], p.tail()) {
		return p.place(raw), true
	}
	return p.resync(text, pos, i, raw)
}

// run reads lines as long as they are as before: from line i on, which would begin at the clean position pos. It
// returns where it stopped. text ends in a line feed.
func (p *page) run(text []byte, pos, i int, r *row) (int, int) {
	values := r.values
	from := 0
	if i > 0 {
		from = int(p.ends[i-1])
	}
	for ; i < len(p.ends); i++ {
		to := int(p.ends[i])
		at := pos + to - from
		if at >= len(text) || string(text[pos:at]) != string(p.fixed[from:to]) {
			break
		}
		v, next, ok := number(text, at)
		if !ok {
			break
		}
		stamp := int64(noStamp)
		if text[next] == '\n' {
			next++
		} else if stamp, next, ok = p.format.rest(text, next); !ok {
			break
		}
		values = append(values, v)
		if stamp != noStamp || len(r.stamps) > 0 {
			r.values = values
			r.stamp(p.counts(stamp))
		}
		pos, from = next, to
	}
	r.values = values
	return pos, i
}

// counts is the timestamp that counts.
func (p *page) counts(stamp int64) int64 {
	if !p.honor {
		return noStamp
	}
	return stamp
}
