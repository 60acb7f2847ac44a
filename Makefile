# Everything is plain Go: no step needs more than Go, make and the Go module proxy.
GO ?= go

# Tools are pinned here and built by `go run`, so that they are no part of our go.mod.
GOLANGCI  = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BUF       = github.com/bufbuild/buf/cmd/buf@v1.75.0
GENGO     = google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GENGRPC   = google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   = -s -w -X main.version=$(VERSION)

MODULES   = $(notdir $(patsubst %/,%,$(dir $(wildcard rules-wasm/*/main.go))))
WASM      = $(MODULES:%=rules-wasm/built/%.wasm.gz)
SDK_RULE  = $(shell find sdk/rule sdk/frame sdk/schema -name '*.go' -not -name '*_test.go') go.mod

.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

build: rules ## bin/tocsin, with plugins and rule modules inside
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tocsin ./core/cmd/tocsin

demo: build ## the reference scenario on this machine, told as it happens (under a minute)
	bin/tocsin demo

test: rules ## all tests, with the race detector
	$(GO) test -race -shuffle=on -timeout 30m ./...
	$(GO) test -timeout 30m ./core/wasm/... ./examples/... ./rules-wasm # once more without it: compiling guests takes too long with it

check: gen format lint tidy test examples ## what CI runs
	@if git rev-parse --git-dir >/dev/null 2>&1; then git diff --exit-code || { echo 'make check changed files: commit them'; exit 1; }; fi

rules: $(WASM) ## rule modules of rules-wasm/, for embedding (make -j2 rules)

# A program of its own, built once: tocsin itself embeds the modules and would be linked anew after each of them.
bin/build-rule: $(SDK_RULE) $(wildcard core/wasm/pack/*.go core/wasm/meter/*.go)
	$(GO) build -o $@ ./core/wasm/pack/build-rule

rules-wasm/built/%.wasm.gz: rules-wasm/%/*.go $(SDK_RULE) | bin/build-rule
	bin/build-rule ./rules-wasm/$* $@

examples: build ## every example configuration passes `tocsin check`, and its tests
	bin/tocsin rule build examples/rule-go -o examples/rule-go/hot.wasm
	@for d in examples/*/; do if ls $$d*.hcl >/dev/null 2>&1; then echo "check $$d"; bin/tocsin check $$d || exit 1; fi; done
	bin/tocsin test examples

bench: rules ## benchmarks, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./...

load: rules ## CPU and memory of 1,000 rules over 10 targets, for a minute (Linux)
	$(GO) test -run '^$$' -bench ThousandRules -benchtime 4x ./core/cmd/tocsin -interval 15s

scale: rules ## CPU and memory of a million series, and of 5,000 targets (Linux, about 5 minutes)
	$(GO) test -run '^$$' -bench 'IngestM' -benchtime 4x ./core/cmd/tocsin -ingest-large

crashes: rules ## the engine killed every 5 s under load for two minutes: what its windows still hold after each
	$(GO) test -run TestWindowsSurviveCrashes -count=1 -v ./core/cmd/tocsin -crashes 24

same: rules ## a live run beside Prometheus' must end with the same series: make same PROMETHEUS=/path/of/prometheus
	$(GO) test -run 'TestSameAsPrometheus|TestPrometheusAsClient' -count=1 -v ./core/cmd/tocsin -prometheus "$(abspath $(PROMETHEUS))"

storm: rules ## CPU and memory of 50,000 alerts that are posted and delivered (Linux)
	$(GO) test -run '^$$' -bench 'Storm$$' -benchtime 1x ./core/cmd/tocsin

reloads: rules ## 1,000 reloads with 10,000 active alerts: none lost, none repeated, no timer reset (minutes)
	$(GO) test -run TestReloadsUnderLoad -v -timeout 30m ./core/engine -load-reloads 1000 -load-alerts 10000

chaos: build ## the binary killed 20 times beside receivers that fail in every way, and an oracle (about 10 minutes)
	$(GO) run ./core/cmd/tocsin-chaos -tocsin bin/tocsin $(CHAOS)

fuzz: ## each fuzz target for FUZZTIME (default 5s)
	@for p in $$($(GO) list ./...); do \
	  for t in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$p $$t"; $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(or $(FUZZTIME),5s) $$p || exit 1; \
	  done; \
	done

gen: ## Go code from sdk/pluginpb/*.proto
	GOBIN=$(CURDIR)/bin/gen $(GO) install $(GENGO)
	GOBIN=$(CURDIR)/bin/gen $(GO) install $(GENGRPC)
	cd sdk/pluginpb && PATH="$(CURDIR)/bin/gen:$$PATH" $(GO) run $(BUF) generate

format: ## gofumpt and goimports
	$(GO) run $(GOLANGCI) fmt

lint: ## golangci-lint
	$(GO) run $(GOLANGCI) run

tidy: ## go.mod says what is used
	$(GO) mod tidy

clean: ## what was built
	rm -rf bin rules-wasm/built/*.wasm*

.PHONY: help build demo test check rules examples bench load scale crashes same storm reloads chaos fuzz gen format lint tidy clean
