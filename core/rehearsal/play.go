package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/engine"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wal"
	"github.com/tocsinhq/tocsin/core/wasm"
)

// play is one test as it is performed. Only run and what it starts are inside of the bubble.
type play struct {
	test     *config.Test
	targets  Targets          // nil: those of the test
	versions []*config.Config // of the configuration: at first, and after each reload
	modules  *wasm.Host
	duration time.Duration

	disk    *state.MemoryStore // as the present engine sees it
	windows *wal.Memory        // as well; nil if no other engine will want it
	current *life              // nil while no engine runs
	past    *sync.WaitGroup    // engines that were killed

	steps  []step        // that are not done yet
	leap   *leap         // the clock was set: the next bubble goes on from here
	offset time.Duration // of the clock, from what it would be had nobody set it

	moments  []moment
	branches branches
	err      error // the engine could not be started, or not be stopped

	mu     sync.Mutex
	events []Event // guarded by mu
	told   []Told  // guarded by mu; only kept where targets are not those of the test
}

// life is one engine, from its start to its end.
type life struct {
	play   *play
	engine *engine.Engine
	start  time.Time // of the test, by the clock of this life
	over   bool      // it was killed, or the test is over: what it still does is not seen. Guarded by play.mu
}

// moment is how alerts stood at a time that the test asks about.
type moment struct {
	of     *config.TestMoment
	alerts []alert.Alert
	down   bool // no engine ran then
}

// leap is a clock that is set. Clocks of bubbles only go forward from the year 2000, so that is the end of the bubble.
type leap struct {
	at      time.Duration
	version *config.Config // that goes on
}

func newPlay(test *config.Test, versions []*config.Config, modules *wasm.Host) *play {
	p := &play{test: test, versions: versions, modules: modules, disk: state.Memory()}
	if p.ends() {
		p.windows = new(wal.Memory)
	}
	p.duration = p.length()
	p.steps = p.schedule()
	p.leap = &leap{version: versions[0]}
	return p
}

// ends tells whether an engine ends before the test does, and another one starts on what it left.
func (p *play) ends() bool {
	return slices.ContainsFunc(p.test.Faults, func(f config.TestFault) bool {
		return f.What == config.FaultCrash || f.What == config.FaultRestart || f.What == config.FaultClock
	})
}

// step is something that is done to the engine at a time.
type step struct {
	at    time.Duration
	order int // of steps at the same time
	do    func()
}

// perform performs the test, in as many bubbles as it needs.
func (p *play) perform(bubble Bubble) {
	for p.leap != nil && p.err == nil {
		bubble(p.run)
	}
}

// run performs the test until its end, or until the clock is set.
func (p *play) run() {
	begin := p.leap
	p.leap, p.past = nil, new(sync.WaitGroup)
	p.wait(begin.at)
	if begin.at > 0 {
		p.reopen()
	}
	p.err = p.start(begin.version)
	for p.err == nil && p.leap == nil && len(p.steps) > 0 {
		s := p.steps[0]
		p.steps = p.steps[1:]
		p.wait(s.at)
		settle()
		s.do()
	}
	settle()
	if life := p.current; life != nil {
		p.end(life)
		p.err = cmp.Or(p.err, p.stop(life))
	}
	p.past.Wait()
}

// wait waits until a time of the test.
func (p *play) wait(at time.Duration) { time.Sleep(time.Until(p.test.Start.Add(at + p.offset))) }

// reopen gives what an engine left to the next: it is closed, and the next process opens it again.
func (p *play) reopen() { p.disk, p.windows = p.disk.Crash(), p.windows.Crash() }

// stopTimeout is how long a stop in good order may take, as in "tocsin run".
const stopTimeout = 20 * time.Second

// schedule lists everything that is done during the test, in order.
func (p *play) schedule() (all []step) {
	add := func(at time.Duration, order int, do func()) { all = append(all, step{at, order, do}) }
	version := 0
	for _, f := range p.ordered() {
		switch f.What {
		case config.FaultStorage:
			add(f.From, 0, func() { p.disk.Fail(math.MaxInt) })
			if f.To > 0 {
				add(f.To, 0, func() { p.disk.Fail(0) })
			}
		case config.FaultCrash:
			v := p.versions[version]
			add(f.From, 1, func() { p.err = p.kill() })
			add(f.From+f.Down, 1, func() { p.err = p.again(v) })
		case config.FaultRestart:
			v := p.versions[version]
			add(f.From, 1, func() { p.err = p.halt() })
			add(f.From+f.Down, 1, func() { p.err = p.again(v) })
		case config.FaultClock:
			l := &leap{at: f.From, version: p.versions[version]}
			add(f.From, 1, func() {
				p.err, p.leap = p.halt(), l
				p.offset += f.Step
			})
		case config.FaultReload:
			version++
			v := p.versions[version]
			add(f.From, 1, func() { p.err = p.reload(v) })
		}
	}
	for i := range p.test.Moments {
		m := &p.test.Moments[i]
		add(m.At, 2, func() { p.moments = append(p.moments, p.look(m)) })
	}
	add(p.duration, 3, func() {})
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	for len(all) > 0 && all[len(all)-1].at > p.duration {
		all = all[:len(all)-1]
	}
	return all
}

// ordered are the faults in the order of time. Versions of the configuration are in the order in which they are written,
// which Check keeps the same.
func (p *play) ordered() []config.TestFault {
	faults := slices.Clone(p.test.Faults)
	slices.SortStableFunc(faults, func(a, b config.TestFault) int { return cmp.Compare(a.From, b.From) })
	return faults
}

// start starts an engine on what the disk holds.
func (p *play) start(cfg *config.Config) error {
	l := &life{play: p, start: p.test.Start.Add(p.offset)}
	targets := p.targets
	if targets == nil {
		targets = newWritten(p.test, p.versions)
	}
	services := newServices(l)
	ctx := context.Background() // one of the bubble: whoever waits for another waits outside of it
	world := engine.World{
		Collector: func(s config.Source) (scrape.Collector, error) {
			return &collector{life: l, source: s.Kind + "." + s.Name, targets: targets}, nil
		},
		Discoveries: targets.Discoveries,
		Sender:      func(n config.Notifier) (delivery.Sender, error) { return services.open(ctx, n) },
		State:       p.disk, Modules: p.modules, Offline: true, Seed: p.test.Seed, Workers: 1, OnTemplate: p.branches.watch,
	}
	if p.windows != nil {
		world.Windows = p.windows
	}
	e, err := engine.New(ctx, engine.Options{Config: p.silenced(cfg), Logger: zerolog.Nop(), OnDecision: l.decided, World: world})
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	l.engine, p.current = e, l
	if err := e.Start(ctx); err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	return nil
}

// silenced is a configuration with the silences of the test.
func (p *play) silenced(cfg *config.Config) *config.Config {
	with := *cfg
	with.Engine.SelfAlerts = cfg.Engine.SelfAlerts && p.test.SelfAlerts
	with.Silences = slices.Clone(cfg.Silences)
	for _, s := range p.test.Silences {
		until := p.test.Start.Add(s.To)
		if s.To == 0 {
			until = p.test.Start.AddDate(10, 0, 0) // well after the end of the longest test
		}
		with.Silences = append(with.Silences, config.Silence{
			Name: s.Name, Matchers: s.Matchers, From: p.test.Start.Add(s.From), Until: until, Range: s.Range,
		})
	}
	return &with
}

// stop ends an engine in good order.
func (p *play) stop(l *life) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := l.engine.Stop(ctx); err != nil {
		return fmt.Errorf("stop the engine: %w", err)
	}
	return nil
}

// errDown is a fault of an engine that is not there.
var errDown = errors.New("the test has a fault for the engine while it is down")

// halt ends the engine in good order.
func (p *play) halt() error {
	stopped := p.current
	if stopped == nil {
		return errDown
	}
	p.current = nil
	return p.stop(stopped)
}

// kill ends the engine as kill -9 does: nothing that it does from now on can be seen. Its goroutines are cleared away in
// the background.
func (p *play) kill() error {
	killed := p.current
	if killed == nil {
		return errDown
	}
	p.current = nil
	p.end(killed)
	p.reopen()
	p.past.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = killed.engine.Stop(ctx) // what it cannot write any more is what a crash loses
	})
	return nil
}

// again starts an engine on what the one before left.
func (p *play) again(cfg *config.Config) error {
	p.reopen()
	return p.start(cfg)
}

// look sees how alerts stand.
func (p *play) look(of *config.TestMoment) moment {
	if p.current == nil {
		return moment{of: of, down: true}
	}
	return moment{of: of, alerts: p.current.engine.Alerts()}
}

// reload gives the engine another configuration while everything goes on.
func (p *play) reload(cfg *config.Config) error {
	if p.current == nil {
		return errDown
	}
	if err := p.current.engine.Apply(context.Background(), p.silenced(cfg)); err != nil {
		return fmt.Errorf("the engine refuses the configuration: %w", err)
	}
	return nil
}

// end looks away from an engine.
func (p *play) end(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.over = true
}

// decided takes a line of the journal.
func (l *life) decided(d alert.Decision) {
	l.saw(Event{At: d.Time.Sub(l.start), Decision: &d})
}

// saw keeps what happened in a life that is not over, and tells whether it is not.
func (l *life) saw(e Event) bool {
	l.play.mu.Lock()
	defer l.play.mu.Unlock()
	if !l.over {
		l.play.events = append(l.play.events, e)
	}
	return !l.over
}

// length is how long a test lasts: as it says, or until the last thing that it speaks of.
func (p *play) length() time.Duration {
	t := p.test
	if t.Duration > 0 {
		return t.Duration
	}
	last := newWritten(t, p.versions).end()
	late := p.tolerance()
	for _, f := range t.Faults {
		last = max(last, f.From+f.Down, f.To)
	}
	for _, s := range t.Silences {
		last = max(last, s.From, s.To)
	}
	for _, m := range t.Moments {
		last = max(last, m.At)
	}
	for _, tr := range t.Transitions {
		for _, s := range tr.States {
			last = max(last, s.At+late)
		}
	}
	for _, n := range t.Notifications {
		if n.At != nil {
			last = max(last, *n.At+late)
		}
	}
	return last
}

// tolerance is how far from the time in the test something may happen. The engine sees a change of the world with the next
// collection, up to an interval later, and when in the interval that is depends on a hash of the target's name.
func (p *play) tolerance() time.Duration {
	if p.test.Tolerance != nil {
		return *p.test.Tolerance
	}
	var longest time.Duration
	for _, cfg := range p.versions {
		for _, s := range cfg.Sources {
			longest = max(longest, s.Interval)
		}
	}
	return longest
}
