package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a configuration of one file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each of these ends a process without the guard, or takes its memory.
func TestBombs(t *testing.T) {
	const million = 1_000_000
	repeat := strings.Repeat
	for name, c := range map[string]struct{ file, text, want string }{
		"parentheses":      {"a.hcl", "locals {\n a = " + repeat("(", million), "Nesting too deep"},
		"brackets":         {"a.hcl", "locals {\n a = " + repeat("[", million/10), "Nesting too deep"},
		"braces":           {"a.hcl", "locals {\n a = " + repeat("{ a = ", 15_000), "Nesting too deep"},
		"blocks":           {"a.hcl", repeat("a {\n", 20_000), "Nesting too deep"},
		"not":              {"a.hcl", "locals {\n a = " + repeat("!", million/10), "Nesting too deep"},
		"minus":            {"a.hcl", "locals {\n a = " + repeat("- ", million/20), "Nesting too deep"},
		"templates":        {"a.hcl", "locals {\n a = " + repeat(`"${`, 30_000), "Nesting too deep"},
		"directives":       {"a.hcl", "locals {\n a = \"" + repeat("%{if true}", 10_000), "Nesting too deep"},
		"loops":            {"a.hcl", "locals {\n a = " + repeat("[for x in range(1000): ", 10) + "1" + repeat("]", 10) + "\n}", "Nesting too deep"},
		"conditionals":     {"a.hcl", "locals {\n a = " + repeat("true ? 1 : ", 9_000) + "1\n}", "Expression too long"},
		"sum":              {"a.hcl", "locals {\n a = " + repeat("1+", 50_000) + "1\n}", "Expression too long"},
		"sum over lines":   {"a.hcl", "locals {\n a = (" + repeat("1+\n", 30_000) + "1)\n}", "Expression too long"},
		"difference":       {"a.hcl", "locals {\n a = " + repeat("1-", 50_000) + "1\n}", "Expression too long"},
		"indexes":          {"a.hcl", "locals {\n a = local.b" + repeat("[a]", 30_000) + "\n}", "Expression too long"},
		"splats":           {"a.hcl", "locals {\n a = local.b" + repeat("[*]", 30_000) + "\n}", "Expression too long"},
		"attributes":       {"a.hcl", "locals {\n a = local.b" + repeat(".*.a", 20_000) + "\n}", "Expression too long"},
		"heredocs":         {"a.hcl", "locals {\n a = " + repeat("<<A\n${", 15_000), "Nesting too deep"},
		"number":           {"a.hcl", "locals {\n a = \"${1e999999999}\"\n}", "Number out of range"},
		"digits":           {"a.hcl", "locals {\n a = " + repeat("9", million/10) + "\n}", "Number out of range"},
		"big file":         {"a.hcl", repeat("# comment\n", 110_000), "File too big"},
		"product":          {"a.hcl", "locals {\n a = setproduct(range(1000), range(1000), range(1000))\n}", "too large"},
		"concatenation":    {"a.hcl", "locals {\n a = flatten([for i in range(80) : range(1000)])\n}", "too large"},
		"replacement":      {"a.hcl", "locals {\n a = replace(\"" + repeat("a", 100_000) + "\", \"a\", \"" + repeat("b", 100_000) + "\")\n}", "too large"},
		"indentation":      {"a.hcl", "locals {\n a = indent(1000000000, \"a\\nb\")\n}", "too large"},
		"width":            {"a.hcl", "locals {\n a = format(\"%01000000000d\", 1)\n}", "too large"},
		"laughs":           {"a.hcl", "locals {\n a0 = \"" + repeat("ha", 1000) + "\"\n" + laughs(40) + "}\n", "Value too large"},
		"squares":          {"a.hcl", "locals {\n a0 = 1e300\n" + squares(40) + " z = \"${local.a40}\"\n}\n", "Value too large"},
		"long chain":       {"a.hcl", "locals {\n a0 = 1\n" + chain(2_000) + "}\n", "Nesting too deep"},
		"JSON lists":       {"a.hcl.json", `{"locals": {"a": ` + repeat("[", million/10), "Nesting too deep"},
		"JSON objects":     {"a.hcl.json", repeat(`{"a":`, 150_000), "Nesting too deep"},
		"JSON template":    {"a.hcl.json", `{"locals": {"a": "${` + repeat("(", 50_000) + `"}}`, "Nesting too deep"},
		"JSON type":        {"a.hcl.json", `{"variable": {"a": {"default": 1, "type": "` + repeat("(", 50_000) + `"}}}`, "Wrong type"},
		"JSON key":         {"a.hcl.json", `{"locals": {"a": {"${` + repeat("!", 50_000) + `": 1}}}`, "Nesting too deep"},
		"JSON number":      {"a.hcl.json", `{"locals": {"a": 1e999999999}}`, "Number out of range"},
		"JSON broken":      {"a.hcl.json", `{"locals": ` + repeat("]", million/10), "Invalid JSON"},
		"range":            {"a.hcl", "source \"http\" \"x\" {\n for_each = range(1e9)\n}", "more than 1024 values"},
		"template in text": {"a.hcl", "rule \"a\" {\n module = \"threshold\"\n params { above = 1 }\n annotations = { a = \"" + repeat("{{(", 100_000) + "\" }\n}", "Invalid template"},
		"selector":         {"a.hcl", "rule \"a\" {\n module = \"error_rate\"\n input \"requests\" {\n window = \"5m\"\n select = \"" + repeat("(", 500_000) + "\"\n}\n}", "Invalid selector"},
		"regular expression": {
			"a.hcl", "rule \"a\" {\n module = \"error_rate\"\n input \"requests\" {\n window = \"5m\"\n select = \"a{b=~'" + repeat("(x{1000}){1000}", 10) + "'}\"\n}\n}", "Invalid selector",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.file, c.text)
			cfg, diags := Load([]string{path}, Options{Env: testEnv, Catalog: newTestCatalog})
			var b strings.Builder
			if err := diags.Write(&b, false, 80); err != nil {
				t.Fatal(err)
			}
			if cfg != nil || !strings.Contains(b.String(), c.want) {
				t.Errorf("diagnostics do not say %q:\n%.2000s", c.want, b.String())
			}
			if b.Len() > 64<<10 {
				t.Errorf("%d bytes of diagnostics", b.Len())
			}
		})
	}
}

// laughs doubles a string with each line.
func laughs(n int) string { return doubling(n, `"${local.aP}${local.aP}"`) }

func squares(n int) string { return doubling(n, "local.aP * local.aP") }

func chain(n int) string { return doubling(n, "local.aP") }

func doubling(n int, expr string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString(" a" + itoa(i) + " = " + strings.ReplaceAll(expr, "P", itoa(i-1)) + "\n")
	}
	return b.String()
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

// People write long files, and these are fine.
func TestGuardLetsPeopleWork(t *testing.T) {
	for name, text := range map[string]string{
		"many targets":     `locals { a = [` + strings.Repeat("\"10.0.0.1:9113\", -1, local.b[0] + 1, !true,\n", 5000) + `] }`,
		"many attributes":  "locals {\n" + strings.Repeat("x = a + b + c ? d[0] : e.f\n", 5000) + "}",
		"long comparison":  "locals {\n a = " + strings.Repeat("x == 1 || ", 200) + "y\n}",
		"many conditions":  "locals {\n a = <<E\n" + strings.Repeat("%{ if a }x%{ else }y%{ endif }\n", 2000) + "E\n}",
		"many loops":       "locals {\n" + strings.Repeat("a = [for x in y : [for z in x : z]]\n", 500) + "}",
		"for as attribute": strings.Repeat("rule \"a\" {\n for = \"5m\"\n}\n", 500),
		"minus in text":    "locals {\n a = \"" + strings.Repeat("-", 5000) + strings.Repeat("(", 5000) + "\"\n}",
	} {
		if d := guard([]byte(text), "a.hcl"); d != nil {
			t.Errorf("%s: %s: %s (%s)", name, d.Summary, d.Detail, d.Subject)
		}
	}
	text := `{"locals": {"a": "` + strings.Repeat("-", 5000) + strings.Repeat("(", 5000) + `"}}`
	if d := guard([]byte(text), "a.hcl.json"); d != nil {
		t.Errorf("JSON: %s", d)
	}
}

func TestTotalSize(t *testing.T) {
	dir := t.TempDir()
	for i := range 18 {
		if err := os.WriteFile(filepath.Join(dir, itoa(i)+".hcl"), []byte("# "+strings.Repeat("x", 1_000_000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, diags := Load([]string{dir}, Options{})
	if len(diags) != 1 || diags[0].Summary != "Configuration too big" {
		t.Errorf("diagnostics: %v", diags)
	}
}
