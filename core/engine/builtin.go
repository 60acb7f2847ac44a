package engine

import (
	"fmt"

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

// builtinNotifiers are the notifiers inside the binary, by kind.
func builtinNotifiers() map[string]func() notifier.Notifier {
	return map[string]func() notifier.Notifier{
		"pagerduty": pagerduty.New,
		"slack":     slack.New,
		"webhook":   webhook.New,
	}
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
			notifier.Serve(notifier.Info{Name: kind, Version: version}, newNotifier)
			return nil
		}
	}
	return fmt.Errorf("there is no built-in %s plugin %q", what, kind)
}
