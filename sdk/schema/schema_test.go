package schema_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

type client struct {
	Proxy string `config:"proxy" format:"url" doc:"Proxy to go through."`
}

type header struct {
	Name  string `config:"name" required:"true"`
	Value string `config:"value" sensitive:"true"`
}

type tls struct {
	CA       string `config:"ca" default:"system"`
	Insecure bool   `config:"insecure"`
}

type login struct {
	User string `config:"user" required:"true"`
}

type settings struct {
	client
	Key      string            `config:"routing_key" required:"true" sensitive:"true" pattern:"^[a-z]+$"`
	Timeout  time.Duration     `config:"timeout" default:"1m30s" min:"1s" max:"10m"`
	Retries  int               `config:"retries" default:"3" min:"0"`
	Ratio    *float64          `config:"ratio"`
	Severity string            `config:"severity" default:"critical" enum:"critical,warning"`
	Paths    []string          `config:"paths" default:"[\"/metrics\"]"`
	Labels   map[string]string `config:"labels"`
	Waits    []time.Duration   `config:"waits"`
	Old      uint8             `config:"old" deprecated:"use retries"`
	TLS      tls               `config:"tls"`
	Login    *login            `config:"login"`
	Headers  []header          `config:"header" required:"true"`
	cache    int
	Other    chan int
}

func TestOf(t *testing.T) {
	_ = settings{}.cache
	got, err := schema.Of(&settings{})
	if err != nil {
		t.Fatal(err)
	}
	want := schema.Block{
		Attributes: []schema.Attribute{
			{Name: "proxy", Type: "string", Format: "url", Description: "Proxy to go through."},
			{Name: "routing_key", Type: "string", Required: true, Sensitive: true, Pattern: "^[a-z]+$"},
			{Name: "timeout", Type: "duration", Default: "1m30s", Min: new(1.0), Max: new(600.0)},
			{Name: "retries", Type: "int", Default: 3.0, Min: new(0.0)},
			{Name: "ratio", Type: "float"},
			{Name: "severity", Type: "string", Default: "critical", Enum: []string{"critical", "warning"}},
			{Name: "paths", Type: "list(string)", Default: []any{"/metrics"}},
			{Name: "labels", Type: "map(string)"},
			{Name: "waits", Type: "list(duration)"},
			{Name: "old", Type: "int", Deprecated: "use retries"},
		},
		Blocks: []schema.NestedBlock{
			{Name: "tls", Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "ca", Type: "string", Default: "system"}, {Name: "insecure", Type: "bool"},
			}}},
			{Name: "login", Block: schema.Block{Attributes: []schema.Attribute{{Name: "user", Type: "string", Required: true}}}},
			{Name: "header", Repeated: true, Required: true, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "name", Type: "string", Required: true}, {Name: "value", Type: "string", Sensitive: true},
			}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back schema.Block
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, back); diff != "" {
		t.Fatal("the schema changes on its way through JSON:", diff)
	}
}

type loop struct {
	Inner []loop `config:"inner"`
}

func TestOfMistakes(t *testing.T) {
	for want, v := range map[string]any{
		"only a struct": 3,
		"cannot be a chan int": struct {
			A chan int `config:"a"`
		}{},
		"cannot be a map[int]int": struct {
			A map[int]int `config:"a"`
		}{},
		"names are lower case": struct {
			A int `config:"Big"`
		}{},
		"taken by another field": struct {
			A int `config:"a"`
			B int `config:"a"`
		}{},
		"is not exported": struct {
			a int `config:"a"`
		}{}, //nolint:unused // what is tested
		"contains itself": loop{},
		"has no default": struct {
			A int `config:"a" required:"true" default:"1"`
		}{},
		"is no int": struct {
			A int `config:"a" default:"x"`
		}{},
		"whole number": struct {
			A int `config:"a" default:"1.5"`
		}{},
		"out of range": struct {
			A uint8 `config:"a" default:"256"`
		}{},
		"not one of low, high": struct {
			A string `config:"a" enum:"low,high" default:"mid"`
		}{},
		"does not match": struct {
			A []string `config:"a" pattern:"^x" default:"[\"y\"]"`
		}{},
		"error parsing regexp": struct {
			A string `config:"a" pattern:"("`
		}{},
		"format \"uri\"": struct {
			A string `config:"a" format:"uri"`
		}{},
		"are for strings": struct {
			A int `config:"a" enum:"1,2"`
		}{},
		"has no bounds": struct {
			A string `config:"a" min:"1"`
		}{},
		"write true or leave": struct {
			A string `config:"a" sensitive:"yes"`
		}{},
		"min:\"1\": time: miss": struct {
			A time.Duration `config:"a" min:"1"`
		}{},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := schema.Of(v)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	got := settings{Old: 9, Labels: map[string]string{"left": "over"}, Login: &login{}}
	err := schema.Decode([]byte(`{"routing_key":"abc","ratio":0,"retries":4e0,"waits":["1s","2m"],"paths":null,
		"tls":{"insecure":true},"header":[{"name":"a","value":"b"},{"name":"c"}]}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		Key: "abc", Timeout: 90 * time.Second, Retries: 4, Ratio: new(0.0), Severity: "critical", Paths: []string{"/metrics"},
		Waits: []time.Duration{time.Second, 2 * time.Minute}, TLS: tls{CA: "system", Insecure: true},
		Headers: []header{{"a", "b"}, {"c", ""}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{}, client{}), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Other"
	}, cmp.Ignore())); diff != "" {
		t.Fatal(diff)
	}
}

func TestDecodeDefaultsOfAbsentBlocks(t *testing.T) {
	var got struct {
		TLS   tls   `config:"tls"`
		Login login `config:"login"` // what an absent block requires is not missed
	}
	if err := schema.Decode(nil, &got); err != nil {
		t.Fatal(err)
	}
	if got.TLS.CA != "system" {
		t.Fatalf("got %+v", got)
	}
}

func TestDecodeComplaints(t *testing.T) {
	for name, c := range map[string]struct{ json, want string }{
		"no object":        {`[]`, `must be a JSON object`},
		"broken":           {`{"routing_key":`, `must be a JSON object`},
		"required":         {`{"header":[{"name":"x"}]}`, `routing_key: is required`},
		"required, nested": {`{"routing_key":"x","header":[{}]}`, `header.0.name: is required`},
		"required block":   {`{"routing_key":"x","header":[]}`, `header: is required`},
		"unknown": {
			`{"routing_key":"x","header":[{"name":"x","z":1,"a":2}]}`,
			`header.0.a: is not known here; header.0.z: is not known here`,
		},
		"types": {
			`{"routing_key":3,"header":[{"name":"x"}],"timeout":5,"retries":"1","ratio":"x","paths":"/","labels":[],"waits":["1"],"old":300,"tls":[]}`,
			`routing_key: must be a string; timeout: must be a duration such as "1m30s"; retries: must be a whole number; ratio: must be a float; ` +
				`paths: must be a list; labels: must be a map; waits.0: must be a duration such as "1m30s"; old: is a number out of range; tls: must be a JSON object`,
		},
		"null in a list": {`{"routing_key":"x","header":[{"name":"x"}],"paths":[null]}`, `paths.0: must be a string`},
	} {
		t.Run(name, func(t *testing.T) {
			err := schema.Decode([]byte(c.json), &settings{})
			if _, ok := errors.AsType[schema.Diagnostics](err); !ok {
				t.Fatalf("got %v, want Diagnostics", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestDecodeNeverQuotesValues(t *testing.T) {
	const secret = "hunter2"
	err := schema.Decode([]byte(`{"routing_key":["hunter2"],"timeout":"hunter2","retries":"hunter2"}`), &settings{})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Fatalf("got %v", err)
	}
}

func TestDecodeMistakesOfTheAuthor(t *testing.T) {
	var diags schema.Diagnostics
	if err := schema.Decode([]byte(`{}`), settings{}); err == nil || errors.As(err, &diags) {
		t.Fatalf("not a pointer: got %v", err)
	}
	if err := schema.Decode([]byte(`{}`), &struct {
		A chan int `config:"a"`
	}{}); err == nil || errors.As(err, &diags) {
		t.Fatalf("no schema: got %v", err)
	}
}

func TestOtherTag(t *testing.T) {
	var params struct {
		Threshold float64 `param:"threshold" default:"0.05"`
	}
	block, err := schema.OfTag(params, "param")
	if err != nil || len(block.Attributes) != 1 {
		t.Fatalf("got %v, %v", block, err)
	}
	if err := schema.DecodeTag([]byte(`{}`), &params, "param"); err != nil || params.Threshold != 0.05 {
		t.Fatalf("got %v, %v", params, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"routing_key":"abc","header":[{"name":"a"}],"retries":1e400,"old":-1}`))
	f.Add([]byte(`{"header":null,"labels":{"a":null}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = schema.Decode(data, &settings{}) // must not panic
	})
}

func TestCheck(t *testing.T) {
	if err := schema.Check(schema.MustOf(settings{})); err != nil {
		t.Error(err)
	}
	attribute := func(a schema.Attribute) schema.Block { return schema.Block{Attributes: []schema.Attribute{a}} }
	deep := schema.Block{}
	for range 20 {
		deep = schema.Block{Blocks: []schema.NestedBlock{{Name: "b", Block: deep}}}
	}
	for want, block := range map[string]schema.Block{
		"names are lower case":   attribute(schema.Attribute{Name: "A", Type: schema.Int}),
		`type "integer"`:         attribute(schema.Attribute{Name: "a", Type: "integer"}),
		`type "list(list(int))"`: attribute(schema.Attribute{Name: "a", Type: "list(list(int))"}),
		`type "list(int"`:        attribute(schema.Attribute{Name: "a", Type: "list(int"}),
		"has no default":         attribute(schema.Attribute{Name: "a", Type: schema.Int, Required: true, Default: 1.0}),
		"pattern:":               attribute(schema.Attribute{Name: "a", Type: schema.String, Pattern: "("}),
		"is taken": {
			Attributes: []schema.Attribute{{Name: "a", Type: schema.Int}},
			Blocks:     []schema.NestedBlock{{Name: "a"}},
		},
		"block b: attribute: name": {Blocks: []schema.NestedBlock{{Name: "b", Block: attribute(schema.Attribute{Type: schema.Int})}}},
		"nested more than":         deep,
	} {
		if err := schema.Check(block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
