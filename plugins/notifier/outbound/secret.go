package outbound

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Redacted stands where a secret stood.
const Redacted = "<secret>"

// maxDetail is how many runes of what a service said are kept.
const maxDetail = 300

// minSecret is the length from which a secret is looked for, in bytes: shorter ones are parts of ordinary words.
const minSecret = 4

// maxSecretFile is the size that a file with one secret may have, in bytes.
const maxSecretFile = 64 << 10

// Secret is a value that is written in the configuration or read from a file at each use, so that it can be rotated.
type Secret struct {
	Name  string // of the attribute; that of the file is Name + "_file"
	Value string
	File  string
}

// IsSet tells whether there is one.
func (s Secret) IsSet() bool { return s.Value != "" || s.File != "" }

// Read returns the secret. An empty file is an error.
func (s Secret) Read() (string, error) {
	if s.File == "" {
		return s.Value, nil
	}
	f, err := os.Open(s.File)
	if err != nil {
		return "", fmt.Errorf("reading %s_file: %w", s.Name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", fmt.Errorf("reading %s_file: %w", s.Name, err)
	}
	if data = bytes.TrimSpace(data); len(data) == 0 {
		return "", fmt.Errorf("reading %s_file %s: it is empty", s.Name, s.File)
	}
	return string(data), nil
}

// Check tells what is wrong with the secret when the configuration is read; path leads to the block it stands in.
func (s Secret) Check(path ...string) schema.Diagnostics {
	at := func(name string) []string { return append(slices.Clone(path), name) }
	file := s.Name + "_file"
	switch {
	case s.File == "":
		return nil
	case s.Value != "":
		return schema.Diagnostics{Blame("set "+s.Name+" or "+file+", not both", at(file)...)}
	case !filepath.IsAbs(s.File):
		d := Blame("must be an absolute path", at(file)...)
		d.Detail = "A notifier does not know the folder of the configuration. file(\"…\") in " + s.Name + " does."
		return schema.Diagnostics{d}
	}
	_, err := s.Read()
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return schema.Diagnostics{Blame("there is no file "+s.File, at(file)...)}
	}
	return schema.Diagnostics{Blame(err.Error(), at(file)...)}
}

// URLSecrets lists the parts of a URL that a service might echo: all of it, its path, long parts of that, its query and
// its password.
func URLSecrets(raw string) []string {
	secrets := []string{raw}
	u, err := url.Parse(raw)
	if err != nil {
		return secrets
	}
	if len(u.Path) > 1 {
		secrets = append(secrets, u.RequestURI(), u.EscapedPath(), u.Path)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if len(part) >= 12 {
			secrets = append(secrets, part)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= 6 {
				secrets = append(secrets, v)
			}
		}
	}
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password)
	}
	return secrets
}

// redactor takes secrets out of text, in the spellings in which JSON and URLs write them too.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(secrets []string) redactor {
	var spellings []string
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		spellings = append(spellings, s, strings.ReplaceAll(s, "/", `\/`), url.QueryEscape(s), url.PathEscape(s))
		if quoted, err := json.Marshal(s); err == nil {
			spellings = append(spellings, strings.Trim(string(quoted), `"`))
		}
	}
	// The longest first: a Replacer takes the first of its arguments that matches at a position.
	slices.SortFunc(spellings, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range slices.Compact(spellings) {
		pairs = append(pairs, s, Redacted)
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// clean makes text one short line of valid UTF-8 without secrets. Redaction comes first: a secret that was cut or
// folded would not be found.
func (r redactor) clean(text string) string {
	if r.replacer != nil {
		text = r.replacer.Replace(text)
	}
	return Clip(OneLine(text), maxDetail)
}
