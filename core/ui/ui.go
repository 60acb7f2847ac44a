// Package ui is the pages to which the links in messages lead: why an alert fired, and a silence for it that only has to be
// signed. They are plain HTML without scripts, for whoever was woken and has a telephone at hand.
package ui

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Options are what the pages show and change. All funcs are called concurrently.
type Options struct {
	Why     func(w io.Writer, alert string) error // writes the story of an alert; its error is the asker's
	Silence func(Form) (id string, err error)     // makes one; its error is for whoever filled in the form
}

// Form is what somebody wants to silence.
type Form struct {
	Matchers      string // {alertname="X",endpoint="/pay"}
	Duration      time.Duration
	CreatedBy     string
	Comment       string
	UntilResolved bool // it ends with what it hides
}

// The pages.
const (
	WhyPath     = "/why"          // ?alert=FINGERPRINT, or whatever else names one
	SilencePath = "/silences/new" // ?filter={alertname="X"}
)

// maxForm is how long a filled in form may be, in bytes.
const maxForm = 64 << 10

// New returns the pages.
func New(o Options) http.Handler {
	p := pages{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+WhyPath, p.why)
	mux.HandleFunc("GET "+SilencePath, p.form)
	mux.HandleFunc("POST "+SilencePath, p.silence)
	return mux
}

type pages struct{ options Options }

//go:embed pages.html
var text string

var templates = template.Must(template.New("pages").Funcs(template.FuncMap{"hours": hours}).Parse(text))

// view is what a page shows.
type view struct {
	Title, Error, Story string
	Form                *Form
	Made                string // ID of the silence that was made
}

// show answers with a page. Other sites may not frame it, and nothing in it runs.
func show(w http.ResponseWriter, status int, v view) {
	var page bytes.Buffer
	if err := templates.Execute(&page, v); err != nil {
		http.Error(w, "write the page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the client is gone
}

func (p pages) why(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query().Get("alert")
	v := view{Title: "Why " + asked}
	var story bytes.Buffer
	if err := p.options.Why(&story, asked); err != nil {
		v.Error = err.Error()
		show(w, http.StatusBadRequest, v)
		return
	}
	v.Story = story.String()
	show(w, http.StatusOK, v)
}

func (p pages) form(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusOK, view{Title: "Silence", Form: &Form{Matchers: r.URL.Query().Get("filter"), Duration: 2 * time.Hour, UntilResolved: true}})
}

func (p pages) silence(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		show(w, http.StatusBadRequest, view{Title: "Silence", Error: "read the form: " + err.Error()})
		return
	}
	f := Form{
		Matchers: r.PostForm.Get("matchers"), CreatedBy: r.PostForm.Get("by"), Comment: r.PostForm.Get("comment"),
		UntilResolved: r.PostForm.Get("until_resolved") != "",
	}
	n, err := strconv.ParseFloat(r.PostForm.Get("hours"), 64)
	if err != nil || !(n > 0 && n <= mostHours) {
		show(w, http.StatusBadRequest, view{Title: "Silence", Form: &f, Error: "say for how many hours, up to " + strconv.Itoa(mostHours)})
		return
	}
	f.Duration = time.Duration(n * float64(time.Hour))
	id, err := p.options.Silence(f)
	if err != nil {
		show(w, http.StatusBadRequest, view{Title: "Silence", Form: &f, Error: err.Error()})
		return
	}
	show(w, http.StatusOK, view{Title: "Silenced", Made: id, Form: &f})
}

// mostHours is for how long a page silences: what lasts longer belongs into the configuration.
const mostHours = 30 * 24

// hours writes a duration for the form.
func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) }
