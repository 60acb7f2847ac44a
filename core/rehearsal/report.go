package rehearsal

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Suite is the tests of one file with what came of them. What it writes depends on nothing but the tests: the time that
// they took on our clock is only in JUnit's report.
type Suite struct {
	File     string
	Results  []Result
	Coverage Coverage
}

// Add adds the result of a test.
func (s *Suite) Add(r Result) {
	s.Results = append(s.Results, r)
	s.Coverage.Add(r.Coverage)
}

// Failed tells whether a test failed.
func (s *Suite) Failed() bool {
	for i := range s.Results {
		if len(s.Results[i].Failures) > 0 {
			return true
		}
	}
	return false
}

// virtual is how long the tests lasted on their clocks.
func (s *Suite) virtual() (sum time.Duration) {
	for i := range s.Results {
		sum += s.Results[i].Virtual
	}
	return sum
}

// Detail is how much of a suite is written.
type Detail struct {
	Events   bool // every test, and what happened in it
	Payloads bool // and to the byte, what services were asked
}

// WriteText writes the suite as "go test" does: failures, and one line for the file.
func (s *Suite) WriteText(w io.Writer, with Detail) error {
	var b strings.Builder
	for i := range s.Results {
		r := &s.Results[i]
		verdict := "PASS"
		if len(r.Failures) > 0 {
			verdict = "FAIL"
		}
		if verdict == "PASS" && !with.Events && len(r.Warnings) == 0 {
			continue
		}
		if with.Events {
			fmt.Fprintf(&b, "=== RUN   %s\n", r.Test.Name)
		}
		for _, e := range r.Events {
			if with.Events {
				fmt.Fprintf(&b, "    %s\n", strings.TrimRight(e.String(), " "))
			}
			if with.Payloads && e.Request != nil {
				fmt.Fprintf(&b, "%s\n", indent(indent(string(e.Request.Body))))
			}
		}
		fmt.Fprintf(&b, "--- %s: %s (virtual %s)\n%s", verdict, r.Test.Name, since(r.Virtual), r.complaints())
	}
	verdict := "ok  "
	if s.Failed() {
		verdict = "FAIL"
	}
	fmt.Fprintf(&b, "%s  %s  (virtual %s)\n", verdict, s.File, since(s.virtual()))
	if covered := s.Coverage.String(); covered != "" {
		fmt.Fprintf(&b, "      %s\n", covered)
	}
	if with.Events {
		for _, part := range []Part{s.Coverage.Rules, s.Coverage.Routes, s.Coverage.Receivers, s.Coverage.Branches} {
			for _, place := range part.Missing() {
				fmt.Fprintf(&b, "      never: %s\n", place)
			}
		}
	}
	return write(w, b.String())
}

// complaints are the failures and warnings of a test, indented.
func (r *Result) complaints() string {
	var b strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "%s\n", indent(f.String()))
	}
	for _, f := range r.Warnings {
		fmt.Fprintf(&b, "%s\n", indent(Failure{f.Range, "warning: " + f.Text}.String()))
	}
	return b.String()
}

// String is file:line:column and the text.
func (f Failure) String() string { return fmt.Sprintf("%s: %s", f.Range, f.Text) }

// String says what was covered, and what never was.
func (c Coverage) String() string {
	var parts []string
	for _, kind := range []struct {
		what, did string
		part      Part
	}{{"rules", "fired", c.Rules}, {"routes", "matched", c.Routes}, {"receivers", "told", c.Receivers}, {"template branches", "rendered", c.Branches}} {
		missing := kind.part.Missing()
		if len(kind.part.All) == 0 {
			continue
		}
		text := fmt.Sprintf("%d of %d %s %s", len(kind.part.All)-len(missing), len(kind.part.All), kind.what, kind.did)
		if len(missing) > 0 {
			text += " (never: " + some(missing) + ")"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return "coverage: " + strings.Join(parts, "; ")
}

// some names the first of many.
func some(places []Place) string {
	const few = 5
	var names []string
	for _, place := range places[:min(len(places), few)] {
		names = append(names, place.Name)
	}
	if len(places) > few {
		names = append(names, fmt.Sprintf("and %d more", len(places)-few))
	}
	return strings.Join(names, ", ")
}

// jsonEvent is a line of test2json, https://pkg.go.dev/cmd/test2json. Times are virtual.
type jsonEvent struct {
	Time    time.Time `json:"Time,omitzero"`
	Action  string    `json:"Action"`
	Package string    `json:"Package"` // the file
	Test    string    `json:"Test,omitempty"`
	Elapsed *float64  `json:"Elapsed,omitempty"` // seconds
	Output  string    `json:"Output,omitempty"`
}

// WriteJSON writes the suite as "go test -json" does. Times are virtual.
func (s *Suite) WriteJSON(w io.Writer) error {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	put := func(e jsonEvent) {
		e.Package = s.File
		_ = encoder.Encode(e) // strings and numbers always can be
	}
	verdict := func(failed bool) string {
		if failed {
			return "fail"
		}
		return "pass"
	}
	for i := range s.Results {
		r := &s.Results[i]
		start := r.Test.Start
		put(jsonEvent{Time: start, Action: "run", Test: r.Test.Name})
		for _, e := range r.Events {
			put(jsonEvent{Time: start.Add(e.At), Action: "output", Test: r.Test.Name, Output: e.String() + "\n"})
		}
		end := start.Add(r.Virtual)
		for line := range strings.Lines(r.complaints()) {
			put(jsonEvent{Time: end, Action: "output", Test: r.Test.Name, Output: line})
		}
		seconds := r.Virtual.Seconds()
		put(jsonEvent{Time: end, Action: verdict(len(r.Failures) > 0), Test: r.Test.Name, Elapsed: &seconds})
	}
	if covered := s.Coverage.String(); covered != "" {
		put(jsonEvent{Action: "output", Output: covered + "\n"})
	}
	seconds := s.virtual().Seconds()
	put(jsonEvent{Action: verdict(s.Failed()), Elapsed: &seconds})
	return write(w, b.String())
}

// What JUnit reports consist of, as CI systems read them: https://github.com/testmoapp/junitxml
type (
	junitReport struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		File      string        `xml:"file,attr"`
		Line      int           `xml:"line,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes suites as JUnit's XML.
func WriteJUnit(w io.Writer, suites []Suite) error {
	var report junitReport
	for i := range suites {
		s := &suites[i]
		suite := junitSuite{Name: s.File, Tests: len(s.Results)}
		var sum time.Duration
		for j := range s.Results {
			r := &s.Results[j]
			sum += r.Took
			c := junitCase{Name: r.Test.Name, Classname: s.File, File: s.File, Line: r.Test.Range.Line, Time: seconds(r.Took)}
			if len(r.Failures) > 0 {
				suite.Failures++
				message, _, _ := strings.Cut(r.Failures[0].String(), "\n")
				c.Failure = &junitFailure{Message: message, Text: r.complaints()}
			}
			suite.Cases = append(suite.Cases, c)
		}
		suite.Time = seconds(sum)
		report.Suites = append(report.Suites, suite)
	}
	text, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	return write(w, xml.Header+string(text)+"\n")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
