package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// TestMain makes the product itself a command of the test binary: scripts and tests run real processes of it, which
// re-execute themselves for their plugins, without anything being built first.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tocsin": func() {
			// The program itself is the test binary, which is tocsin only under this name. A plugin process does not
			// find itself and need not: it starts no others.
			if path, err := exec.LookPath(os.Args[0]); err == nil {
				executable, _ = filepath.Abs(path)
				cacheDir = filepath.Join(filepath.Dir(executable), "cache")
			}
			os.Exit(run())
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"engine": scriptEngine, "eventually": scriptEventually,
		},
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs("../../..")
			env.Setenv("ROOT", root)
			if cache, err := exec.Command("go", "env", "GOCACHE").Output(); err == nil { //nolint:noctx // returns at once
				env.Setenv("GOCACHE", strings.TrimSpace(string(cache))) // scripts have no home
			}
			return err
		},
	})
}

// scriptEngine is "engine DIR": tocsin run, until the end of the script; it waits until the engine is ready. Client commands
// ask that engine.
func scriptEngine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: engine DIR")
	}
	dir := ts.MkAbs(args[0])
	log := &lockedBuffer{}
	c := exec.Command("tocsin", "run", dir, "-log-format", "json") //nolint:noctx // killed at the end of the script
	c.Dir, c.Stderr, c.Env = dir, log, append(os.Environ(), "HOME="+dir, "HOOK=http://127.0.0.1:1/")
	ts.Check(c.Start())
	end := sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	ts.Defer(func() {
		end()
		ts.Logf("log of tocsin run:\n%s", log)
	})
	var address string
	waitIn(ts, "the engine runs", func() bool {
		address = addressIn(log.String())
		return address != ""
	})
	ts.Setenv("TOCSIN_ADDR", address)
}

// scriptEventually is "eventually PATTERN COMMAND…": the command is run until what it prints matches.
func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	waitIn(ts, args[0], func() bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// waitIn is eventually for scripts.
func waitIn(ts *testscript.TestScript, what string, condition func() bool) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			ts.Fatalf("waited %s in vain: %s", patience, what)
		case <-tick.C:
		}
	}
}

// What "tocsin rule new" writes says which Go the SDK needs.
func TestGoVersionOfNewRules(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil || !strings.Contains(string(mod), "\ngo "+goVersion+"\n") {
		t.Errorf("go.mod does not say go %s (%v)", goVersion, err)
	}
}

func TestRenamed(t *testing.T) {
	text := "// Hot in hot.hcl: snapshot, TestHot, new(Hot), hotter"
	if got, want := renamed(text, "disk_full_2"), "// DiskFull2 in disk_full_2.hcl: snapshot, TestDiskFull2, new(DiskFull2), hotter"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The pipeline of the README is one that works.
func TestReadmePipeline(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```hcl\n")
	pipeline, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no block of HCL")
	}
	out, err := exec.CommandContext(t.Context(), "tocsin", "check", writeConfig(t, pipeline), "-var", "pd_key=0123456789abcdef0123456789abcdef").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("check of the README's pipeline: %v\n%s", err, out)
	}
}
