package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/zclconf/go-cty/cty"
)

// Test is a test block of a *.test.hcl file: what a configuration is shown, and what is to come of it. Times in it are
// durations since its start.
type Test struct {
	Name      string
	Configs   []string // files or directories, relative to Dir unless absolute
	Vars      map[string]string
	Dir       string // of the file
	Start     time.Time
	Duration  time.Duration  // 0: until the last thing that the test speaks of
	Tolerance *time.Duration // how far from the time written something may happen; nil: the longest interval of a source
	Seed      uint64

	SelfAlerts bool // also alerts about the engine itself, of which most tests are not: what they do not speak of is missing

	Series   []TestSeries
	Faults   []TestFault
	Silences []TestSilence

	Moments       []TestMoment
	Transitions   []TestTransitions
	Notifications []TestNotification
	Counts        []TestCount
	Range         Range

	loader *loader    // of the file, for [Test.Check]
	names  []testName // that a configuration must have
}

// testName is a name in a test that stands for something of the configuration.
type testName struct {
	what, name string
	of         string // of a target: its source
	at         hcl.Range
}

// TestSeries is a series block: what one target of a source exposes.
type TestSeries struct {
	Source   string        // "http.gateway"
	Target   string        // "": the first of the source
	Interval time.Duration // between samples; 0: the source's
	Samples  []TestSamples
	Range    Range
}

// TestSamples is one series in Prometheus' notation: the sample of each interval.
type TestSamples struct {
	Labels labels.Labels
	Values []float64                   // the sample of each interval; Prometheus' StaleNaN: the series is not exposed then
	Native []*histogram.FloatHistogram // the sample of each interval that is a native histogram, others nil; nil if none is
	Text   string                      // of the series, as written
	Range  Range
}

// TestFault is a fault block.
type TestFault struct {
	What     string        // one of the Fault constants
	From, To time.Duration // To 0: for good. Of what happens at once, From is when

	Source, Target string // of FaultScrape; Target "": all
	Notifier       string // of FaultReceiver; "": all
	Kind           string // of FaultScrape and FaultReceiver: how
	Status         int    // of KindStatus
	RetryAfter     time.Duration
	Down           time.Duration // of FaultCrash and FaultRestart: until the next engine starts
	Step           time.Duration // of FaultClock: by how much the clock is set; negative: back
	Body           string

	Configs []string          // of FaultReload; nil: those of the test
	Vars    map[string]string // of FaultReload; nil: those of the test
	Range   Range
}

// What goes wrong, and how.
const (
	FaultScrape   = "scrape"   // a target
	FaultReceiver = "receiver" // a service that notifiers call
	FaultStorage  = "storage"  // the state cannot be written
	FaultCrash    = "crash"    // kill -9, and a start
	FaultRestart  = "restart"  // a stop in good order, and a start
	FaultClock    = "clock"    // a restart, after which the clock is another
	FaultReload   = "reload"   // another configuration, while everything goes on

	KindFail = "fail" // a target refuses the connection
	KindLate = "late" // a target does not answer within the timeout
	KindGone = "gone" // a target answers, without any series

	KindStatus = "status" // a receiver answers with a status
	KindRefuse = "refuse" // a receiver refuses the connection
	KindHang   = "hang"   // a receiver does not answer, and does not hear
	KindDrop   = "drop"   // a receiver hears, and its answer is lost
)

// TestSilence is a silence block of a test, as if somebody made it.
type TestSilence struct {
	Name     string
	From, To time.Duration // To 0: it has no end
	Matchers []*labels.Matcher
	Range    Range
}

// TestMoment is an at block: how alerts stand at one time.
type TestMoment struct {
	At     time.Duration
	Alerts []TestAlert
	Only   bool // no other alerts than those are pending or firing
	Range  Range
}

// TestAlert is an alert block of an at block.
type TestAlert struct {
	Rule        string
	Labels      map[string]string // that it must have, among others
	State       string            // inactive, pending, firing or resolved; "" with Unknown
	Unknown     *bool             // whether its data is missing; nil: either
	Value       *float64
	Annotations map[string]string
	Range       Range
}

// TestTransitions is a transitions block: all changes of state of the instances with these labels, in order.
type TestTransitions struct {
	Rule   string
	Labels map[string]string
	States []TestState
	Range  Range
}

// TestState is that a state was reached.
type TestState struct {
	At    time.Duration
	State string
	Range Range
}

// TestNotification is a notification block. Those of one notifier are all that it is told, in order.
type TestNotification struct {
	Notifier string         // "pagerduty.oncall"
	At       *time.Duration // nil: any time
	Payload  []byte         // JSON that the body equals; nil: not compared
	Golden   string         // a file with that JSON, relative to the test's; ""
	Contains []string       // texts in the body
	Range    Range
}

// TestCount is how many notifications a notifier is told.
type TestCount struct {
	Notifier string
	Count    int
	Range    Range
}

const testSuffix = ".test.hcl"

// LoadTests reads the tests at paths: files, or directories with all *.test.hcl below them. Diagnostics may hold
// warnings beside the tests; with an error among them there are none.
func LoadTests(paths []string) ([]Test, Diagnostics) {
	var tests []Test
	files, diags := testFiles(paths)
	for _, name := range files {
		l := newLoader(Options{})
		tests = append(tests, l.tests(name)...)
		diags = append(diags, l.finish()...)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return tests, diags
}

// testFiles lists the files of tests that the paths stand for. Directories whose name begins with a dot are left out.
func testFiles(paths []string) (names []string, diags Diagnostics) {
	complain := func(err error) {
		diags = append(diags, Diagnostic{Severity: Error, Summary: "Cannot read tests", Detail: sentence(err.Error())})
	}
	for _, path := range paths {
		path = filepath.Clean(path)
		found := 0
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && p != path && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case !d.IsDir() && (p == path || strings.HasSuffix(p, testSuffix)):
				if found++; !slices.Contains(names, p) {
					names = append(names, p)
				}
			}
			return nil
		})
		switch {
		case err != nil:
			complain(err)
		case found == 0:
			complain(errors.New("there is no file *" + testSuffix + " below " + path))
		}
	}
	if len(paths) == 0 {
		complain(os.ErrNotExist)
	}
	return names, diags
}

// tests reads one file.
func (l *loader) tests(name string) (all []Test) {
	f := l.readFile(name)
	if f == nil {
		return nil
	}
	l.files[name], l.order = f, []string{name}
	if l.parse(f); f.body == nil {
		return nil
	}
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "locals"}, {Type: "test", LabelNames: []string{"name"}}}}
	content, diags := f.body.Content(schema)
	l.report(diags...)
	for _, b := range content.Blocks {
		l.blocks[b.Type] = append(l.blocks[b.Type], b)
	}
	l.localValues().resolveAll()
	for _, b := range l.blocks["test"] {
		if l.declare("test", b.Labels[0], b, title) {
			all = append(all, l.test(b, f.dir))
		}
	}
	if len(all) == 0 {
		l.missingf(hcl.Range{}, "No test", "There is no block test in %s.", name)
	}
	return all
}

// testStart is when tests begin that do not say it.
var testStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// longestTest bounds the virtual time of a test.
const longestTest = 366 * 24 * time.Hour

func (l *loader) test(block *hcl.Block, dir string) Test {
	b := l.open(block, []string{"config", "vars", "start", "duration", "tolerance", "seed", "self_alerts", "notifications"}, testBlocks...)
	t := Test{
		loader: l, Name: block.Labels[0], Dir: dir, Range: rangeOf(headerRange(block)),
		Configs: []string{"."}, Vars: b.strings("vars"), Start: l.moment(b, "start"),
		Duration: b.duration("duration", 0, time.Millisecond), Seed: uint64(b.integer("seed", 1, 1, 1<<53)),
		SelfAlerts: b.boolean("self_alerts", false),
	}
	t.counts(b)
	if paths, ok := b.list("config"); ok {
		t.Configs = texts(paths)
	}
	if t.Start.IsZero() {
		t.Start = testStart
	}
	if t.Start.Before(testEpoch) {
		l.errorf(b.at("start"), "Invalid time", "A test begins in the year 2000 at the earliest.")
	}
	if t.Duration > longestTest {
		l.errorf(b.at("duration"), "Test too long", "A test lasts a year at the most.")
	}
	if b.has("tolerance") {
		tolerance := b.duration("tolerance", 0, 0)
		t.Tolerance = &tolerance
	}
	for _, inner := range b.content.Blocks {
		l.testPart(&t, inner)
	}
	return t
}

// testEpoch is where the clock of a test stands before it begins, as testing/synctest has it.
var testEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

var testBlocks = []hcl.BlockHeaderSchema{
	{Type: "series", LabelNames: []string{"source"}},
	{Type: "fault", LabelNames: []string{"what"}},
	{Type: "silence", LabelNames: []string{"name"}},
	{Type: "at", LabelNames: []string{"time"}},
	{Type: "transitions", LabelNames: []string{"rule"}},
	{Type: "notification", LabelNames: []string{"notifier"}},
}

func (l *loader) testPart(t *Test, block *hcl.Block) {
	switch block.Type {
	case "series":
		t.Series = append(t.Series, l.testSeries(t, block))
	case "fault":
		t.Faults = append(t.Faults, l.testFault(t, block))
	case "silence":
		t.Silences = append(t.Silences, l.testSilence(block))
	case "at":
		t.Moments = append(t.Moments, l.testMoment(t, block))
	case "transitions":
		t.Transitions = append(t.Transitions, l.testTransitions(t, block))
	case "notification":
		t.Notifications = append(t.Notifications, l.testNotification(t, block))
	}
}

// strings is an attribute that is a map of strings; nil where it is absent.
func (b body) strings(name string) map[string]string {
	if !b.has(name) {
		return nil
	}
	all := map[string]string{}
	for _, i := range b.table(name) {
		all[i.key] = i.text
	}
	return all
}

// speak records that a test speaks of something that the configuration must have.
func (t *Test) speak(what, name, of string, at hcl.Range) {
	if name != "" {
		t.names = append(t.names, testName{what, name, of, at})
	}
}

// counts decodes how many notifications each notifier is told.
func (t *Test) counts(b body) {
	const name = "notifications"
	for _, i := range b.table(name) {
		n := 0
		for _, digit := range i.text {
			if digit < '0' || digit > '9' || len(i.text) > 6 {
				b.l.errorf(i.expr.Range(), "Wrong type", "%s.%s must be a whole number from 0 on.", name, i.key)
				break
			}
			n = 10*n + int(digit-'0')
		}
		t.speak("notifier", i.key, "", i.expr.Range())
		t.Counts = append(t.Counts, TestCount{Notifier: i.key, Count: n, Range: rangeOf(i.expr.Range())})
	}
}

// number is an attribute that is a number; nil where it is absent.
func (b body) number(name string) *float64 {
	v, ok := b.value(name, cty.Number)
	if !ok {
		return nil
	}
	f, _ := v.AsBigFloat().Float64()
	return &f
}

// since is an attribute that is a time of a test; nil where it is absent.
func (b body) since(name string) *time.Duration {
	if !b.has(name) {
		return nil
	}
	d := b.duration(name, 0, 0)
	return &d
}
