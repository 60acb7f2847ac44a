package rehearsal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/wasm"
)

// BenchmarkDay performs 24 hours of 100 rules at 15 s: 576,000 evaluations over windows of five minutes, of which some
// fire each hour. Look at seconds a day (s/op) and nanoseconds an evaluation.
func BenchmarkDay(b *testing.B) {
	dir := b.TempDir()
	const rules = 100
	files := map[string]string{"tocsin.hcl": dayConfig(rules), "day.test.hcl": dayTest(rules)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	tests, diags := config.LoadTests([]string{dir})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	bubble := rehearsal.NewBubble() // as the program has it: a benchmark is no test
	for name, verify := range map[string]bool{"once": false, "verified": true} {
		b.Run(name, func(b *testing.B) {
			modules, err := wasm.New(b.Context(), wasm.Options{Verify: verify})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = modules.Close(b.Context()) }()
			d := rehearsal.New(rehearsal.Options{Modules: modules, Bubble: bubble})
			d.Run(&tests[0]) // compiles the modules
			for b.Loop() {
				result, diags := d.Run(&tests[0])
				if diags.HasErrors() || len(result.Failures) > 0 || len(result.Events) == 0 {
					b.Fatal(diags, result.Failures, len(result.Events))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rules*4*60*24), "ns/evaluation")
		})
	}
}

func dayConfig(rules int) string {
	var s strings.Builder
	s.WriteString(`
source "http" "fleet" {
  targets  = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]
  interval = "15s"
}
notifier "webhook" "hook" { url = sensitive("https://hooks.example.org/0123456789") }
route {
  to       = [notifier.webhook.hook]
  group_by = ["alertname"]
}
`)
	for i := range rules {
		if i%2 == 0 {
			fmt.Fprintf(&s, `
rule "Load%d" {
  module = "threshold"
  input "series" { select = "load{shard='%d'}" }
  params { value = 10 }
  for         = "5m"
  annotations = { summary = "{{ $labels.instance }} has {{ $value }}" }
}
`, i, i%10)
			continue
		}
		fmt.Fprintf(&s, `
rule "Errors%d" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{shard='%d'}"
    window = "5m"
  }
  params {
    threshold = 0.05
    errors    = "code=~'5..'"
    by        = ["endpoint"]
  }
  for         = "5m"
  annotations = { summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }}" }
}
`, i, i%10)
	}
	return s.String()
}

func dayTest(int) string {
	var s strings.Builder
	s.WriteString("test \"a day\" {\n  duration = \"24h\"\n")
	for target := 1; target <= 4; target++ {
		fmt.Fprintf(&s, "  series \"http.fleet\" {\n    target = \"10.0.0.%d:80\"\n    samples = {\n", target)
		for shard := range 10 {
			wave := strings.TrimSpace(strings.Repeat("1x199 20x39 ", 24))
			fmt.Fprintf(&s, "      \"load{shard='%d'}\" = \"%s\"\n", shard, wave)
			fmt.Fprintf(&s, "      \"http_requests_total{shard='%d',endpoint='/a',code='200'}\" = \"0+100x5760\"\n", shard)
			fmt.Fprintf(&s, "      \"http_requests_total{shard='%d',endpoint='/a',code='500'}\" = \"0+1x3000 3000+20x2760\"\n", shard)
		}
		s.WriteString("    }\n  }\n")
	}
	s.WriteString("}\n")
	return s.String()
}
