package httpsource

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// exported is a page of a real exporter.
type exported struct {
	name   string
	format format
	text   []byte
}

// exportedPages are the pages in testdata, and the text ones in OpenMetrics too: the exporters that were asked for
// OpenMetrics (*.om) answered in the text format.
func exportedPages(t testing.TB) []exported {
	t.Helper()
	files, err := filepath.Glob("testdata/pages/*")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	var pages []exported
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page := exported{name: filepath.Base(file), format: promText, text: text}
		if filepath.Ext(file) == ".pb" {
			page.format = protobuf
		}
		pages = append(pages, page)
		if filepath.Ext(file) == ".prom" {
			pages = append(pages, exported{name: page.name + " in OpenMetrics", format: openMetrics, text: toOpenMetrics(t, text)})
		}
	}
	return pages
}

func toOpenMetrics(t testing.TB, text []byte) []byte {
	t.Helper()
	decoder := expfmt.NewTextParser(model.UTF8Validation)
	families, err := decoder.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToOpenMetrics(&out, family); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := expfmt.FinalizeOpenMetrics(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
