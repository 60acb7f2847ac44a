package engine_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tocsinhq/tocsin/"

// ours says what each folder may import of this module, and why not more. A folder also covers those below it.
// The longest matching folder counts.
var ours = []struct {
	folder string
	may    []string
	why    string
}{
	{"sdk/frame", nil, "the shape of samples is shared by everybody: it depends on nobody"},
	{"sdk/schema", nil, "how a configuration is described is shared by everybody: it depends on nobody"},
	{"sdk/pluginpb", nil, "generated code and nothing else"},
	{"sdk/rule/abi", []string{"sdk/frame", "sdk/schema"}, "guests and host share it: guests must stay small"},
	{"sdk", []string{"sdk"}, "authors of plugins and rules must not pull in the engine"},
	{"config", []string{"sdk/schema"}, "a configuration can be checked without an engine; it knows plugins by their schema only"},
	{"plugins", []string{"sdk", "plugins/notifier"}, "built-in plugins are written as anybody's would be"},
	{"rules-wasm", []string{"sdk/rule", "sdk/frame"}, "built-in rules are written as anybody's would be"},
	{"rules-wasm/guesttest", []string{"sdk/rule", "core/wasm"}, "tests run built-in rules in the real sandbox"},
	{"examples", []string{"sdk"}, "examples show what users can do"},
	{"core/jsonobject", []string{"sdk/frame"}, "it writes what others say"},
	{"core/alert", []string{"sdk/frame", "core/jsonobject"}, "the vocabulary of the second half of the engine"},
	{"core/window", []string{"sdk/frame", "sdk/rule/abi"}, "frames in, windows out, in the shape that guests read"},
	{"core/scrape", []string{"sdk/frame", "sdk/source"}, "it schedules collections and does not know where rows go"},
	{"core/wasm", []string{"sdk/frame", "sdk/schema", "sdk/rule/abi", "core/wasm"}, "it runs guests and does not know what a rule is good for"},
	{"core/rule", []string{"sdk/frame", "sdk/rule/abi", "core/alert"}, "it judges verdicts and knows neither windows nor WebAssembly"},
	{"core/route", []string{"sdk/frame", "core/alert"}, "pure decisions over alerts"},
	{"core/capture", []string{"sdk/frame", "sdk/source"}, "it keeps what targets answered and does not know who asked them"},
	{"core/delivery", []string{"sdk/frame", "sdk/notifier", "core/alert", "core/jsonobject"}, "the ledger knows groups of alerts and receivers, not how they came about"},
	{"core/discovery", []string{"sdk/schema", "sdk/source"}, "it finds targets and does not know who collects"},
	{"core/history", []string{"sdk/frame", "sdk/source"}, "it reads what a Prometheus stored and does not know who wants it"},
	{"core/intake", []string{"sdk/frame", "core/alert"}, "it owns the alerts that others raise, as core/rule owns those of rules"},
	{"core/vitals", []string{"sdk/frame", "core/alert"}, "it owns the alerts about the engine, and is told what is wrong with it"},
	{"core/drill", []string{"sdk/frame", "core/alert"}, "it owns the alerts that are tests, and hears what became of them"},
	{"core/journal", []string{"sdk/frame", "core/alert"}, "it writes decisions down"},
	{"core/ack", []string{"core/alert"}, "it knows who has taken which alert, not what that does"},
	{"core/silence", nil, "it knows which silences there are, not what they do"},
	{"core/query", []string{"sdk/frame", "sdk/rule/abi", "core/window"}, "it reads windows as PromQL does and knows neither rules nor their alerts"},
	{"core/state", nil, "it stores bytes"},
	{"core/wal", nil, "it stores records and does not know what they say"},
	{"core/pluginhost", []string{"sdk"}, "it runs plugins and does not know what for"},
	{"core/why", []string{"sdk/frame", "core/alert"}, "it tells stories out of lines of the journal, wherever those come from"},
	{"core/api", []string{"sdk/frame", "core/alert", "core/ack", "core/drill", "core/silence", "core/why"}, "it shows what they hold, and hands changes on through funcs"},
	{"core/ui", nil, "it shows what it is given, and hands on what people fill in"},
	{"core/access", nil, "it knows who may do what, and nothing of what is done"},
	{"core/engine", []string{""}, "the composition root"},
	{"core/replay", []string{""}, "it plays a capture to the whole engine"},
	{"core/rehearsal", []string{""}, "it plays the surroundings of the whole engine"},
	{"core/demo", []string{""}, "it plays the whole product"},
	{"core/cmd", []string{""}, "the binary"},
}

// theirs says who may import a library, and why nobody else.
var theirs = []struct {
	library string
	only    []string
	why     string
}{
	{"github.com/tetratelabs/wazero", []string{"core/wasm"}, "one place decides how guests are confined"},
	{"github.com/hashicorp/go-plugin", []string{"core/pluginhost", "sdk"}, "one place decides how processes are run"},
	{"google.golang.org/grpc", []string{"core/pluginhost", "sdk"}, "the wire is a detail of plugins"},
	{"github.com/hashicorp/hcl/v2", []string{"config"}, "the engine takes typed values"},
	{"github.com/zclconf/go-cty", []string{"config"}, "the engine takes typed values"},
	{"go.etcd.io/bbolt", []string{"core/state"}, "state can move to another store"},
	{"github.com/prometheus/prometheus/promql$", []string{"core/query"}, "the PromQL engine is heavy; its parser is not"},
}

func TestArchitecture(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		checkOurs(t, pkg, fields[1:])
		checkTheirs(t, pkg, fields[1:])
	}
}

func checkOurs(t *testing.T, pkg string, imports []string) {
	best := -1
	for i, rule := range ours {
		if within(pkg, rule.folder) && (best < 0 || len(rule.folder) > len(ours[best].folder)) {
			best = i
		}
	}
	if best < 0 {
		t.Errorf("%s has no place in the architecture: give it a line in this test", pkg)
		return
	}
	for _, imported := range imports {
		imported, isOurs := strings.CutPrefix(imported, module)
		if !isOurs || within(imported, pkg) {
			continue
		}
		if !slices.ContainsFunc(ours[best].may, func(folder string) bool { return within(imported, folder) }) {
			t.Errorf("%s imports %s, but may import of ours only %q: %s", pkg, imported, ours[best].may, ours[best].why)
		}
	}
}

func checkTheirs(t *testing.T, pkg string, imports []string) {
	for _, rule := range theirs {
		library, exact := strings.CutSuffix(rule.library, "$")
		for _, imported := range imports {
			hit := imported == library || !exact && strings.HasPrefix(imported, library+"/")
			if hit && !slices.ContainsFunc(rule.only, func(folder string) bool { return within(pkg, folder) }) {
				t.Errorf("%s imports %s, which only %q may: %s", pkg, imported, rule.only, rule.why)
			}
		}
	}
}

// within tells whether the package is the folder or lies below it; "" is the whole module.
func within(pkg, folder string) bool {
	return folder == "" || pkg == folder || strings.HasPrefix(pkg, folder+"/")
}
