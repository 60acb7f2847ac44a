package pluginhost

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

const (
	secretLeast = 6 // bytes; shorter ones would hide half of every text
	secretMark  = "(sensitive)"
)

// scrubber replaces secrets in text, also where they are quoted for JSON or a URL. A nil one replaces nothing.
type scrubber struct{ replacer *strings.Replacer }

func newScrubber(secrets []string) *scrubber {
	var forms []string
	for _, s := range secrets {
		if len(s) < secretLeast {
			continue
		}
		quoted, _ := json.Marshal(s) // a string always has a JSON form
		forms = append(forms, s, strings.Trim(string(quoted), `"`), url.QueryEscape(s), url.PathEscape(s))
	}
	if len(forms) == 0 {
		return nil
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) }) // a secret may be part of another
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, secretMark)
	}
	return &scrubber{strings.NewReplacer(pairs...)}
}

func (s *scrubber) text(text string) string {
	if s == nil {
		return text
	}
	return s.replacer.Replace(text)
}

// error keeps what the error wraps and replaces its text.
func (s *scrubber) error(err error) error {
	if err == nil || s == nil {
		return err
	}
	text := s.text(err.Error())
	if text == err.Error() {
		return err
	}
	return &scrubbed{text, err}
}

func (s *scrubber) diagnostics(diags schema.Diagnostics) schema.Diagnostics {
	for i := range diags {
		diags[i].Summary, diags[i].Detail = s.text(diags[i].Summary), s.text(diags[i].Detail)
	}
	return diags
}

type scrubbed struct {
	text string
	err  error
}

func (e *scrubbed) Error() string { return e.text }
func (e *scrubbed) Unwrap() error { return e.err }

// asError is what of the diagnostics is an error; nil where all are warnings.
func asError(diags schema.Diagnostics) error {
	failed := slices.DeleteFunc(slices.Clone(diags), func(d schema.Diagnostic) bool { return d.Warning })
	if len(failed) == 0 {
		return nil
	}
	return failed
}
