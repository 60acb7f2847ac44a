package config

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Engine is the engine block. Relative paths in the source are relative to the directory of its file; here they are
// joined with it.
type Engine struct {
	Listen      string   // host:port, or unix:PATH
	DataDir     string   // state, journal, windows, compilation cache
	PluginDirs  []string // of third-party plugins
	ModuleDirs  []string // of third-party rule modules
	ExternalURL string   // where people reach this engine; without a slash at the end, "" if unknown
	Debug       bool     // serve /debug/pprof

	Keep           string        // "": what rules read, or KeepAll
	KeepFor        time.Duration // how long series are kept that no rule reads, with KeepAll
	WindowSync     time.Duration // how much of the windows a crash may lose
	Lookback       time.Duration // how old the sample of an instant selector in PromQL may be
	UnknownAfter   time.Duration // how long data may be missing before TocsinBlind
	ResolveTimeout time.Duration // how long an alert of others lasts that was posted without an end
	SelfAlerts     bool          // alerts about the engine itself
	ExternalExpiry string        // "resolve" or "unknown": what happens to alerts whose sender went silent

	Range Range `json:"-"` // zero if there is no engine block
}

// KeepAll keeps all series that are collected, whether a rule reads them or not.
const KeepAll = "all"

// Defaults of the engine block.
const (
	defaultListen       = "127.0.0.1:9095"
	defaultDataDir      = "data"
	defaultUnknownAfter = 5 * time.Minute
	defaultLookback     = 5 * time.Minute // as in Prometheus
	defaultWindowSync   = time.Second
	leastSync           = 100 * time.Millisecond

	defaultResolveTimeout = 5 * time.Minute // as in Alertmanager
	defaultExternalExpiry = "resolve"
)

// engine decodes the engine block, of which there is at most one.
func (l *loader) engine() Engine {
	blocks := l.blocks["engine"]
	l.onlyOne(blocks, "There is one engine. Put all its arguments into one block.")
	dir := l.files[l.order[0]].dir
	if len(blocks) == 0 {
		return Engine{
			Listen: defaultListen, DataDir: filepath.Join(dir, defaultDataDir), UnknownAfter: defaultUnknownAfter,
			Lookback: defaultLookback, WindowSync: defaultWindowSync, SelfAlerts: true,
			ResolveTimeout: defaultResolveTimeout, ExternalExpiry: defaultExternalExpiry,
		}
	}
	block := blocks[0]
	dir = l.files[block.DefRange.Filename].dir
	b := l.open(block, []string{"listen", "data_dir", "plugin_dir", "module_dir", "external_url", "debug", "lookback_delta", "keep", "keep_for", "window_sync", "unknown_after", "self_alerts", "resolve_timeout", "external_expiry"})
	e := Engine{
		Listen:       b.text("listen", defaultListen),
		DataDir:      under(dir, b.text("data_dir", defaultDataDir)),
		ExternalURL:  strings.TrimRight(b.text("external_url", ""), "/"),
		Debug:        b.boolean("debug", false),
		Lookback:     b.duration("lookback_delta", defaultLookback, leastInterval),
		Keep:         b.oneOf("keep", "", KeepAll),
		WindowSync:   b.duration("window_sync", defaultWindowSync, leastSync),
		UnknownAfter: b.duration("unknown_after", defaultUnknownAfter, 0),
		SelfAlerts:   b.boolean("self_alerts", true),

		ResolveTimeout: b.duration("resolve_timeout", defaultResolveTimeout, time.Second),
		ExternalExpiry: b.oneOf("external_expiry", defaultExternalExpiry, "resolve", "unknown"),

		Range: rangeOf(headerRange(block)),
	}
	switch {
	case e.Keep == KeepAll:
		e.KeepFor = b.duration("keep_for", e.Lookback, leastInterval)
	case b.has("keep_for"):
		l.errorf(b.nameAt("keep_for"), "Nothing to keep", "keep_for says how long series are kept that no rule reads. Add keep = \"all\", or remove it.")
	}
	e.PluginDirs = directories(b, "plugin_dir", dir)
	e.ModuleDirs = directories(b, "module_dir", dir)
	l.checkListen(b, e.Listen)
	if b.has("external_url") && e.ExternalURL != "" && !isURL(e.ExternalURL) {
		l.errorf(b.at("external_url"), "Invalid URL", "external_url must be an absolute http or https URL, such as \"https://tocsin.example.org\".")
	}
	return e
}

// onlyOne complains about every block after the first.
func (l *loader) onlyOne(blocks hcl.Blocks, why string) {
	for i, b := range blocks {
		if i > 0 {
			first := headerRange(blocks[0])
			l.errorf(headerRange(b), "Duplicate "+b.Type, "The first %s block is at %s:%d. %s", b.Type, first.Filename, first.Start.Line, why)
		}
	}
}

// oneOf is a string attribute with few values.
func (b body) oneOf(name, fallback string, values ...string) string {
	v := b.text(name, fallback)
	if slices.Contains(values, v) {
		return v
	}
	if v != fallback {
		b.l.errorf(b.at(name), "Unknown value", "%s must be %s, not %q.%s", name, quoted(values, "or"), v, suggestion(v, values))
	}
	return fallback
}

// suggestion is didYouMean for where all values have been named already.
func suggestion(given string, values []string) string {
	if n := Nearest(given, values); n != "" {
		return " Did you mean \"" + n + "\"?"
	}
	return ""
}

func directories(b body, name, dir string) []string {
	items, _ := b.list(name)
	var dirs []string
	for _, d := range items {
		dirs = append(dirs, under(dir, d.text))
	}
	return dirs
}

// under makes a path relative to a directory, unless it is absolute.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func (l *loader) checkListen(b body, listen string) {
	if path, unix := strings.CutPrefix(listen, "unix:"); unix {
		if path == "" {
			l.errorf(b.at("listen"), "Invalid address", "listen = \"unix:PATH\" needs the path of a socket.")
		}
		return
	}
	_, port, err := net.SplitHostPort(listen)
	n, numeric := strconv.Atoi(port)
	if err != nil || numeric != nil || n < 0 || n > 65535 {
		l.errorf(b.at("listen"), "Invalid address", "listen must be \"host:port\", such as %q, or \"unix:PATH\".", defaultListen)
	}
}

// isURL tells whether text is an absolute http or https URL.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
