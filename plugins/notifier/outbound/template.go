package outbound

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// RefuseTemplates complains about each string of a notifier block that asks for a template: rendering is not built yet,
// and a message with braces in it would help nobody. Texts of http_config are taken as they are.
func RefuseTemplates(config []byte) schema.Diagnostics {
	var values map[string]any
	if json.Unmarshal(config, &values) != nil {
		return nil // schema.Decode says what is wrong
	}
	delete(values, block)
	return templates(values, nil)
}

func templates(v any, path []string) schema.Diagnostics {
	var diags schema.Diagnostics
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "{{") {
			diags = append(diags, schema.Diagnostic{
				Path: path, Summary: "templates are not supported yet",
				Detail: "Without this attribute the notifier writes a built-in text. Annotations of rules are templates.",
			})
		}
	case []any:
		for i, item := range v {
			diags = append(diags, templates(item, append(slices.Clone(path), fmt.Sprint(i)))...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			diags = append(diags, templates(v[name], append(slices.Clone(path), name))...)
		}
	}
	return diags
}
