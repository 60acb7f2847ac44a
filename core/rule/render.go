package rule

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// maxRendered bounds one rendered text, in bytes: a template that repeats itself must not fill the state.
const maxRendered = 64 << 10

// prelude gives templates the variables that Prometheus gives them.
const prelude = `{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}` +
	`{{$threshold := .Threshold}}{{$text := .Text}}`

// facts are what a template is about: the dot.
type facts struct {
	Labels         map[string]string
	ExternalLabels map[string]string // for templates written for Prometheus; Tocsin has none
	ExternalURL    string
	Value          float64
	Threshold      float64 // NaN: the rule named none
	Text           string  // what the rule said in words
}

// renderer writes the labels and annotations of one rule. It belongs to the evaluation: one user at a time.
type renderer struct {
	static      []frame.Label        // labels without templates
	labels      map[string]*compiled // those with
	annotations map[string]*compiled // all
	severities  []string
	external    string
	at          time.Time
}

// compiled is one text: as it stands, as a template, or as the error it had when it was compiled.
type compiled struct {
	text     string
	template *template.Template
	err      error
}

// CheckTemplate tells whether a label or annotation of a rule is a valid template.
func CheckTemplate(text string) error {
	_, err := compileTemplate("template", text, functions(&url.URL{}, time.Now))
	return err
}

// newRenderer compiles all templates of a definition. One that does not compile is rendered as its error: it must not
// cost the alert.
func newRenderer(d *Definition) *renderer {
	external, err := url.Parse(d.ExternalURL)
	if err != nil {
		external = &url.URL{}
	}
	r := &renderer{
		labels:      map[string]*compiled{},
		annotations: map[string]*compiled{},
		severities:  d.Severities,
		external:    d.ExternalURL,
	}
	funcs := functions(external, func() time.Time { return r.at })
	for name, text := range d.Labels {
		if !strings.Contains(text, "{{") {
			r.static = append(r.static, frame.Label{Name: name, Value: text})
			continue
		}
		r.labels[name] = compile("label "+name, text, funcs)
	}
	for name, text := range d.Annotations {
		r.annotations[name] = compile("annotation "+name, text, funcs)
	}
	if d.OnTemplate != nil {
		for _, texts := range []map[string]*compiled{r.labels, r.annotations} {
			for _, c := range texts {
				if c.template != nil && c.err == nil {
					d.OnTemplate(c.template)
				}
			}
		}
	}
	return r
}

func compile(name, text string, funcs template.FuncMap) *compiled {
	if !strings.Contains(text, "{{") {
		return &compiled{text: text}
	}
	t, err := compileTemplate(name, text, funcs)
	return &compiled{template: t, err: err}
}

func compileTemplate(name, text string, funcs template.FuncMap) (*template.Template, error) {
	return template.New(name).Option("missingkey=zero").Funcs(funcs).Parse(prelude + text)
}

// labelSet returns the labels that routes see of an instance: its identity, the attributes of the rule, the severity of
// the verdict, and alertname. An attribute of the name of an identity label replaces it, as in Prometheus.
func (r *renderer) labelSet(rule string, v *abi.Verdict) (frame.Labels, []error) {
	add := slices.Clone(r.static)
	if n := int(v.Severity); n > 0 && n <= len(r.severities) {
		add = append(add, frame.Label{Name: "severity", Value: r.severities[n-1]})
	}
	var errs []error
	if len(r.labels) > 0 {
		f := r.facts(v.Labels, v)
		for name, c := range r.labels {
			if name == "severity" && v.Severity > 0 {
				continue
			}
			value, err := c.render(f)
			if err != nil {
				errs = append(errs, fmt.Errorf("label %s: %w", name, err))
			}
			add = append(add, frame.Label{Name: name, Value: value})
		}
	}
	return v.Labels.With(append(add, frame.Label{Name: "alertname", Value: rule})...), errs
}

// annotate renders the annotations of an instance.
func (r *renderer) annotate(labels frame.Labels, v *abi.Verdict) (map[string]string, []error) {
	if len(r.annotations) == 0 {
		return nil, nil
	}
	f := r.facts(labels, v)
	rendered := make(map[string]string, len(r.annotations))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.annotations)) {
		text, err := r.annotations[name].render(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("annotation %s: %w", name, err))
		}
		rendered[name] = text
	}
	return rendered, errs
}

func (r *renderer) facts(labels frame.Labels, v *abi.Verdict) *facts {
	return &facts{
		Labels: labels.Map(), ExternalLabels: map[string]string{}, ExternalURL: r.external,
		Value: v.Value, Threshold: v.Threshold, Text: v.Text,
	}
}

// render executes the template. With an error the text names it, so that people see it where they look.
func (c *compiled) render(f *facts) (string, error) {
	if c.err == nil && c.template == nil {
		return c.text, nil
	}
	err := c.err
	var out limited
	if err == nil {
		err = c.template.Execute(&out, f)
	}
	if err != nil {
		return fmt.Sprintf("<error: %v>", err), err
	}
	return string(out.text), nil
}

// limited is a text that refuses to grow beyond maxRendered.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	if len(l.text)+len(p) > maxRendered {
		return 0, fmt.Errorf("the text is longer than %d bytes", maxRendered)
	}
	l.text = append(l.text, p...)
	return len(p), nil
}

// noVerdict is what is known of an instance of which the rule said nothing.
func noVerdict(identity frame.Labels) *abi.Verdict {
	return &abi.Verdict{Labels: identity, Value: math.NaN(), Threshold: math.NaN()}
}
