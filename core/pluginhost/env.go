package pluginhost

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/plugin"
)

// inherited are the variables of the engine that plugins get without asking: where certificates are, what time it is.
var inherited = []string{"SSL_CERT_DIR", "SSL_CERT_FILE", "TZ"}

// environment is all that a plugin's process gets. The engine's own environment holds secrets, so nothing is passed
// on that is not named: by us, or by extra, which holds NAME (the engine's value) or NAME=value and wins over ours.
func environment(dir string, level zerolog.Level, extra []string) []string {
	env := []string{
		"LANG=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TMPDIR=" + dir,
		// Plugins are many small processes beside the engine: little parallelism, and collecting garbage early.
		"GOMAXPROCS=" + strconv.Itoa(min(runtime.NumCPU(), 4)),
		"GOGC=50",
		"GOMEMLIMIT=512MiB",
	}
	if level <= zerolog.DebugLevel {
		env = append(env, plugin.LogLevelEnv+"=debug")
	} else {
		env = append(env, plugin.LogLevelEnv+"=info")
	}
	for _, e := range append(append([]string{}, inherited...), extra...) {
		name, value, given := strings.Cut(e, "=")
		if reserved(name) {
			continue
		}
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		env = append(env, name+"="+value) // of a name that occurs twice the last one counts
	}
	return lastOfEach(env)
}

// reserved tells whether a variable belongs to the handshake.
func reserved(name string) bool {
	return name == "" || name == plugin.CookieKey || name == plugin.LogLevelEnv || strings.HasPrefix(name, "PLUGIN_")
}

// lastOfEach drops all but the last setting of each name.
func lastOfEach(env []string) []string {
	last := map[string]int{}
	for i, e := range env {
		name, _, _ := strings.Cut(e, "=")
		last[name] = i
	}
	var kept []string
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); last[name] == i {
			kept = append(kept, e)
		}
	}
	return kept
}
