package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Targets that a file names are collected from, under the labels that relabelling gives them; one that the file names no
// more leaves as health: its incident ends.
func TestTargetsFromAFile(t *testing.T) {
	gateway, pager := newGateway(t), newPager(t)
	configuration := strings.Replace(pipeline(gateway, pager, ""), fmt.Sprintf("targets  = [%q]", gateway.address()), `
  sample_limit = 1
  file_sd {
    files = ["targets/*.json"]
  }
  relabel {
    source_labels = ["__meta_filepath"]
    regex         = ".*/(.*)[.]json"
    target_label  = "job"
  }
  metric_relabel {
    source_labels = ["code"]
    regex         = "503"
    action        = "keep"
  }`, 1)
	configuration = strings.Replace(configuration, "job='gateway'", "job='edge'", 1)
	dir := writeConfig(t, configuration)
	if err := os.Mkdir(filepath.Join(dir, "targets"), 0o700); err != nil {
		t.Fatal(err)
	}
	targets := func(json string) {
		t.Helper()
		file := filepath.Join(dir, "targets", "edge.json")
		if err := os.WriteFile(file+".new", []byte(json), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, dir)
	p.address(t)
	targets(fmt.Sprintf(`[{"targets":[%q]}]`, gateway.address()))
	gateway.fail(1)
	eventually(t, "for the page", func() bool { return pager.actions() == "trigger" })
	targets(`[]`)
	eventually(t, "for the end of what is not watched any more", func() bool { return pager.actions() == "trigger resolve" })
	pager.checkIncident(t)
	p.stop(t)
}
