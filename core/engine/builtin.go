package engine

import (
	"fmt"
	"net/http"

	"github.com/tocsinhq/tocsin/plugins/notifier/pagerduty"
	"github.com/tocsinhq/tocsin/plugins/notifier/slack"
	"github.com/tocsinhq/tocsin/plugins/notifier/webhook"
	httpsource "github.com/tocsinhq/tocsin/plugins/source/http"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// builtinSources are the sources inside the binary, by kind.
func builtinSources() map[string]func() source.Source {
	return map[string]func() source.Source{
		"http": httpsource.New,
	}
}

// builtinNotifiers are the notifiers inside the binary, by kind. Each can be made to call through a transport of one's
// own; nil is the network.
func builtinNotifiers() map[string]func(http.RoundTripper) notifier.Notifier {
	return map[string]func(http.RoundTripper) notifier.Notifier{
		"pagerduty": pagerduty.NewOver,
		"slack":     slack.NewOver,
		"webhook":   webhook.NewOver,
	}
}

// BuiltinNotifier returns a built-in notifier, inside this process, whose calls go through transport; nil if there is
// none of that kind.
func BuiltinNotifier(kind string, transport http.RoundTripper) notifier.Notifier {
	if newNotifier, ok := builtinNotifiers()[kind]; ok {
		return newNotifier(transport)
	}
	return nil
}

func isBuiltin(what, kind string) bool {
	switch what {
	case "source":
		return builtinSources()[kind] != nil
	case "notifier":
		return builtinNotifiers()[kind] != nil
	}
	return false
}

// ServePlugin turns this process into the built-in plugin of that kind ("source" or "notifier") until the engine that
// started it goes away. The engine re-executes its own binary for this, so that one file is all there is to ship.
func ServePlugin(what, kind, version string) error {
	switch what {
	case "source":
		if newSource, ok := builtinSources()[kind]; ok {
			source.Serve(source.Info{Name: kind, Version: version}, newSource)
			return nil
		}
	case "notifier":
		if newNotifier, ok := builtinNotifiers()[kind]; ok {
			notifier.Serve(notifier.Info{Name: kind, Version: version}, func() notifier.Notifier { return newNotifier(nil) })
			return nil
		}
	}
	return fmt.Errorf("there is no built-in %s plugin %q", what, kind)
}
