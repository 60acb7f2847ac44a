package engine

import (
	"fmt"
	"os"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// pluginFiles finds third-party plugins: tocsin-source-KIND and tocsin-notifier-KIND in a plugin_dir.
type pluginFiles struct {
	dirs   []string
	blocks []config.Plugin
}
