package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a file system of its own that is soon full.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		t.Skipf("a full disk needs a file system of its own, and none can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill takes all the space that is left, and returns how to give it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "somebody-elses.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for block := make([]byte, size); err == nil; {
			_, err = f.Write(block)
		}
		if !isFull(err) {
			t.Fatal(err)
		}
		err = nil
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func isFull(err error) bool {
	return err != nil && strings.Contains(err.Error(), syscall.ENOSPC.Error())
}

// ward is a receiver of everything that is not about the gateway. It keeps the names of the alerts that fired.
type ward struct {
	*httptest.Server
	mu    sync.Mutex
	fired map[string]bool
}

func newWard(t *testing.T) *ward {
	w := &ward{fired: map[string]bool{}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n struct {
			Alerts []struct {
				Status string
				Labels map[string]string
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&n)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range n.Alerts {
			if a.Status == "firing" {
				w.fired[a.Labels["alertname"]] = true
			}
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *ward) heardOf(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fired[name]
}

// get is the body of a page of the API, "" for none.
func get(url string) string {
	response, err := http.Get(url) //nolint:noctx // of a process on this machine, which ends before the test
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(response.Body)
	return body.String()
}

// pipelineOn is the pipeline with its data on a disk, and the ward for all alerts that are about something else.
func pipelineOn(data string, g *gateway, p *pager, w *ward) string {
	return strings.NewReplacer(
		`listen     = "127.0.0.1:0"`, fmt.Sprintf("listen = \"127.0.0.1:0\"\n  data_dir = %q", data),
		"  group_wait     = \"1s\"\n", `  group_wait     = "1s"
  route {
    to    = [notifier.webhook.ward]
    match = ["alertname!='HighAPIErrorRate'"]
  }
`).Replace(pipeline(g, p, fmt.Sprintf("notifier \"webhook\" \"ward\" { url = %q }", w.URL)))
}

// A disk that is full costs no page and invents no resolve, not even when the engine is killed meanwhile; and when there
// is space again, everything is as if there had always been.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	g, p, w := newGateway(t), newPager(t), newWard(t)
	disk := smallDisk(t, 24<<20)
	dir := writeConfig(t, pipelineOn(filepath.Join(disk, "data"), g, p, w))
	engine := start(t, dir)
	url := engine.address(t)
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })
	eventually(t, "there is a file for what storage refuses", func() bool {
		_, err := os.Stat(filepath.Join(disk, "data", "state.spill"))
		return err == nil
	})
	if page := get(url + "/-/ready"); strings.Contains(page, "DEGRADED") {
		t.Errorf("before anything was wrong: %s", page)
	}

	free := fill(t, disk)
	eventually(t, "storage refuses", func() bool { // more and more until the pages that the state already has are used up
		text := strings.Repeat("x", 8<<10)
		body := fmt.Sprintf(`[{"labels":{"alertname":"Filler","n":"%d"},"annotations":{"text":%q}}]`, time.Now().UnixNano(), text)
		response, err := http.Post(url+"/api/v2/alerts", "application/json", strings.NewReader(body)) //nolint:noctx // as above
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode != http.StatusOK
	})
	degraded := func() bool {
		return strings.Contains(get(url+"/metrics"), "\ntocsin_degraded 1\n") && strings.Contains(get(url+"/-/ready"), "DEGRADED: storage refuses")
	}
	eventually(t, "the engine says so", degraded)

	begun := time.Now()
	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	t.Logf("the trigger arrived %s after the errors began; the rule waits 3 s, the route 1 s", time.Since(begun).Round(time.Millisecond))
	if note := p.accepted()[0].Payload.Details.Note; note != "delivery log unavailable, may repeat" {
		t.Errorf("the note of the trigger is %q", note)
	}
	eventually(t, "others hear of it too", func() bool { return w.heardOf("TocsinDegraded") && w.heardOf("Filler") })

	g.fail(0)
	resolved := func() bool {
		return strings.Contains(get(url+"/metrics"), "\ntocsin_instances{state=\"resolved\"} 1\n")
	}
	eventually(t, "the rule sees that it is over", resolved)
	heldFor := func(rounds int64) {
		t.Helper()
		until := g.scrapes.Load() + rounds
		eventually(t, "some rounds", func() bool { return g.scrapes.Load() > until })
		if got := p.actions(); got != "trigger" {
			t.Fatalf("PagerDuty accepted %q while the disk is full", got)
		}
	}
	heldFor(5)

	engine.kill(t)
	engine = start(t, dir)
	url = engine.address(t)
	eventually(t, "the next engine knows that it is over", resolved)
	heldFor(5)

	free()
	eventually(t, "PagerDuty gets the resolve", func() bool { return p.actions() == "trigger resolve" })
	eventually(t, "all is well", func() bool {
		page := get(url + "/metrics")
		return strings.Contains(page, "\ntocsin_degraded 0\n") && strings.Contains(page, "\ntocsin_window_log_failing 0\n") &&
			get(url+"/-/ready") == "Tocsin is ready.\n"
	})
	engine.stop(t)
	p.checkIncident(t)
}

// An engine starts on a disk that is full from the beginning, and tells of what fires.
func TestFullDiskAtStart(t *testing.T) {
	t.Parallel()
	g, p, w := newGateway(t), newPager(t), newWard(t)
	disk := smallDisk(t, 1<<20)
	data := filepath.Join(disk, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	fill(t, disk)
	engine := start(t, writeConfig(t, pipelineOn(data, g, p, w)))
	url := engine.address(t)
	if page := get(url + "/-/ready"); !strings.Contains(page, "DEGRADED: the state could not be opened") {
		t.Errorf("ready says %q", page)
	}
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })
	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	eventually(t, "others hear of it too", func() bool { return w.heardOf("TocsinDegraded") })
	g.fail(0)
	eventually(t, "PagerDuty gets a resolve", func() bool { return p.actions() == "trigger resolve" })
	p.checkIncident(t)
}

// A state that is damaged is put aside, which everybody hears of.
func TestDamagedStateAtStart(t *testing.T) {
	t.Parallel()
	g, p, w := newGateway(t), newPager(t), newWard(t)
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	rubbish := []byte(strings.Repeat("not a database ", 10_000))
	if err := os.WriteFile(filepath.Join(data, "state.db"), rubbish, 0o600); err != nil {
		t.Fatal(err)
	}
	engine := start(t, writeConfig(t, pipelineOn(data, g, p, w)))
	if page := get(engine.address(t) + "/-/healthy"); !strings.Contains(page, "DEGRADED: state file") {
		t.Errorf("healthy says %q", page)
	}
	eventually(t, "others hear of it too", func() bool { return w.heardOf("TocsinDegraded") })
	aside, err := filepath.Glob(filepath.Join(data, "state.db.damaged-*"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("put aside: %v (%v)", aside, err)
	}
	if content, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(content, rubbish) {
		t.Errorf("what was put aside is not what was there (%v)", err)
	}
	engine.stop(t)
}
