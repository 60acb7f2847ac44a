// Command tocsin-chaos runs the real binary against receivers that fail in every way, kills it with -9 at any moment, and
// holds what the receivers took against what happened: nothing undelivered, nothing left open, no false resolve, no
// repetition without a mark, and a reason for everything. It needs nothing but the binary.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// settings of a run.
type settings struct {
	binary    string
	incidents int
	kills     int
	reloads   int
	outage    time.Duration
	span      time.Duration // in which the incidents happen
	patience  time.Duration // after it
	seed      uint64
	keep      bool
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "tocsin", "bin/tocsin", "the binary under test")
	flag.IntVar(&s.incidents, "incidents", 1000, "how many")
	flag.IntVar(&s.kills, "kills", 20, "how many times it is killed with -9")
	flag.IntVar(&s.reloads, "reloads", 5, "how many times the configuration is changed while it runs")
	flag.DurationVar(&s.outage, "outage", 2*time.Minute, "how long the receivers take nothing at first")
	flag.DurationVar(&s.span, "span", 5*time.Minute, "in what time the incidents happen")
	flag.DurationVar(&s.patience, "patience", 15*time.Minute, "how long to wait for what is to be told after that")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of what happens when")
	flag.BoolVar(&s.keep, "keep", false, "leave the engine's data and log behind")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	clean, err := run(ctx, s, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tocsin-chaos:", err)
		os.Exit(2)
	}
	if !clean {
		os.Exit(1)
	}
}

// run tells whether the receivers heard what they should.
func run(ctx context.Context, s settings, out io.Writer) (clean bool, err error) {
	dir, err := os.MkdirTemp("", "tocsin-chaos-")
	if err != nil {
		return false, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return false, err
	}
	defer func() {
		err = errors.Join(err, log.Close())
		if s.keep || !clean {
			fmt.Fprintln(out, "data and log of the engine:", dir)
		} else {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	fmt.Fprintf(out, "seed %d: %d incidents in %s, outage of %s, %d kills, %d reloads\n", s.seed, s.incidents, s.span, s.outage, s.kills, s.reloads)

	random := rand.New(rand.NewPCG(s.seed, 1))
	start := time.Now()
	w := &world{start: start, incidents: plan(random, s.incidents, s.span)}
	receivers := []*receiver{
		{name: "pagerduty, which fails", outage: s.outage, decode: decodePagerDuty, accept: http.StatusAccepted},
		{name: "webhook, which fails", outage: s.outage, decode: decodeWebhook, accept: http.StatusOK},
		{name: "webhook beside them", outage: -1, decode: decodeWebhook, accept: http.StatusOK},
	}
	servers := &servers{}
	defer servers.close()
	urls := []string{servers.serve(w)}
	for i, r := range receivers {
		r.start, r.random = start, rand.New(rand.NewPCG(s.seed, uint64(2+i)))
		urls = append(urls, servers.serve(r))
	}
	e := &engine{binary: s.binary, dir: dir, log: log}
	defer func() { err = errors.Join(err, e.stop()) }()
	configure := func(spare bool) error { return e.configure(urls[0], urls[1], urls[2], urls[3], spare) }
	if err := configure(false); err != nil {
		return false, err
	}
	if err := e.start(); err != nil {
		return false, err
	}
	if err := e.disturb(ctx, s, random, start, configure, out); err != nil {
		return false, err
	}
	deadline := start.Add(s.span + s.patience)
	for time.Now().Before(deadline) && slices.ContainsFunc(receivers, func(r *receiver) bool { return !settled(w.incidents, r.taken()) }) {
		if err := e.alone(ctx, time.Second); err != nil {
			return false, err
		}
	}
	fmt.Fprintf(out, "%6s  settled, or out of patience\n", at(time.Since(start)))
	pause(ctx, 5*time.Second) // for what should not come any more
	told := report(out, w.incidents, receivers)
	explained, err := e.explain(ctx, receivers, random, out)
	return told && explained, err
}

// disturb kills and reloads at random moments of the span, and lets it run after that.
func (e *engine) disturb(ctx context.Context, s settings, random *rand.Rand, start time.Time, configure func(spare bool) error, out io.Writer) error {
	moments := map[time.Duration]bool{} // true: kill
	for range s.kills {
		moments[time.Duration(random.Int64N(int64(s.span)))] = true
	}
	for range s.reloads {
		moments[time.Duration(random.Int64N(int64(s.span)))] = false
	}
	order := make([]time.Duration, 0, len(moments))
	for m := range moments {
		order = append(order, m)
	}
	slices.Sort(order)
	spare := false
	for _, m := range order {
		if err := e.alone(ctx, time.Until(start.Add(m))); err != nil {
			return err
		}
		if moments[m] {
			fmt.Fprintf(out, "%6s  kill -9\n", at(time.Since(start)))
			if err := e.kill(); err != nil {
				return err
			}
			if !pause(ctx, time.Duration(random.Int64N(int64(time.Second)))) {
				return context.Cause(ctx)
			}
			if err := e.start(); err != nil {
				return err
			}
			continue
		}
		spare = !spare
		fmt.Fprintf(out, "%6s  reload\n", at(time.Since(start)))
		if err := configure(spare); err != nil {
			return err
		}
		if err := e.reload(ctx); err != nil {
			return err
		}
	}
	return e.alone(ctx, time.Until(start.Add(s.span)))
}

// pause tells whether the time passed, rather than ctx.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// report prints what each receiver took and what is wrong with it.
func report(out io.Writer, incidents []incident, receivers []*receiver) (clean bool) {
	clean = true
	for _, r := range receivers {
		v := judge(r.name, incidents, r.taken())
		r.mu.Lock()
		for _, err := range r.odd {
			v.fault("%v", err)
		}
		faults := r.faults
		r.mu.Unlock()
		fmt.Fprintf(out, "%s: took %d of %d requests, %d of them marked repetitions; %d incidents were too short to be seen; first told after p50 %s, p99 %s, max %s; %d faults\n",
			r.name, v.told, v.told+faults, v.repeats, v.missed, at(v.quantile(0.5)), at(v.quantile(0.99)), at(v.quantile(1)), len(v.faults))
		for i, f := range v.faults {
			if i == 20 {
				fmt.Fprintf(out, "  and %d more\n", len(v.faults)-i)
				break
			}
			fmt.Fprintf(out, "  %s\n", f)
		}
		clean = clean && len(v.faults) == 0
	}
	return clean
}

func (r *receiver) taken() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.took)
}

// servers are HTTP servers on the loopback interface.
type servers struct {
	all     []*http.Server
	running sync.WaitGroup
}

// serve starts one and returns its URL.
func (s *servers) serve(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		panic(err) // no loopback interface
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.all = append(s.all, server)
	s.running.Go(func() { _ = server.Serve(l) })
	return "http://" + l.Addr().String()
}

func (s *servers) close() {
	for _, server := range s.all {
		_ = server.Close()
	}
	s.running.Wait()
}
