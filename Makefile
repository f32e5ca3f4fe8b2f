# make help lists the targets. Everything needs Go and git only, except where it says more.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Tools have a module of their own, so that their dependencies stay out of go.mod. The first use builds them.
TOOL := go tool -modfile=tools/go.mod

# The race detector needs a C compiler; without one the tests run without it. It does not watch the one package that is SQLite's
# C translated into Go, which would take most of the time of all tests. Packages that share generic code with ours must not be
# left out the same way: the linker may take their unwatched copy of it, and races are then seen where there are none.
HAVE_CC := $(firstword $(shell command -v gcc cc clang 2>/dev/null))
RACE := $(if $(HAVE_CC),-race '-gcflags=modernc.org/sqlite/lib=-race=false')

# The long tests wait far more than they work, so more of them run at a time than there are processors.
LANES := -parallel 6

FUZZTIME ?= 30s
PKG ?= ./...
RUN ?= .
COUNT ?= 200
VULNDB ?=

.PHONY: help
help: ## list the targets
	@echo "zgproxy $(VERSION)"; echo
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## a whole network on this machine, the proxy in front of it, and a conversation
	./bin/zgdevnet demo ./bin/zgproxy

.PHONY: build
build: ## bin/zgproxy and bin/zgdevnet
	@echo "Building bin/zgproxy and bin/zgdevnet. The first build compiles some hundreds of packages and takes minutes; later ones take seconds." >&2
	@tools/progress.sh go build -v -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/zgproxy ./cmd/zgdevnet

.PHONY: test
test: ## all tests
	go test -shuffle=on $(LANES) -timeout 20m ./...

.PHONY: check
check: check-format check-lint check-modules check-generated check-race ## everything that has to hold before a merge

.PHONY: check-format
check-format:
	@echo "== format"
	@$(TOOL) golangci-lint fmt --diff || { echo "make fmt fixes this"; exit 1; }

.PHONY: check-lint
check-lint:
	@echo "== vet"
	go vet ./...
	@echo "== lint"
	$(TOOL) golangci-lint config verify
	$(TOOL) golangci-lint run ./...

.PHONY: check-modules
check-modules:
	@echo "== go.mod"
	go mod tidy -diff

# Whatever is generated is generated again and compared with what was there, committed or not. docs/cli.md has times and block
# numbers in it: its own test compares the rest.
GENERATED := docs/config.md docs/json.md docs/metrics.md docs/doctor.md cmd/zgproxy/testdata/help internal/chain/bindings internal/devnet/contracts

.PHONY: check-generated
check-generated:
	@echo "== generated files"
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	tar -cf - --exclude node_modules $(GENERATED) | tar -xf - -C "$$before"; \
	$(MAKE) --no-print-directory generate; \
	for path in $(GENERATED); do \
		diff -ru --exclude node_modules "$$before/$$path" "$$path" || { echo "$$path was out of date; it has been regenerated"; exit 1; }; \
	done
	@echo "== metrics that the alert rules name"
	@for metric in $$(grep -o 'zgproxy_[a-z0-9_]*' deploy/prometheus/alerts.yml | sed -E 's/_(bucket|sum|count)$$//' | sort -u); do \
		grep -rqF --include='*.go' "\"$$metric\"" cmd internal || { echo "alerts.yml names $$metric, which no code exports"; exit 1; }; \
	done

.PHONY: check-race
check-race:
	@echo "== tests with the race detector"
	@[[ -n "$(HAVE_CC)" ]] || echo "no C compiler here: the tests run without the race detector"
	go test $(RACE) -shuffle=on $(LANES) -timeout 30m ./...

ROUNDS ?= 1000
EXCHANGES ?= 100000

.PHONY: crash
crash: ## kill the real binary at ROUNDS (1000) random moments and at every named point; check the books each time
	ZG_CRASH_ROUNDS=$(ROUNDS) go test -run '^TestCrash' -v -timeout 120m ./cmd/zgproxy | grep -v '"level":'

.PHONY: soak
soak: ## EXCHANGES (100000) requests in bad weather; the book has to equal the chain to the neuron
	ZG_SOAK_EXCHANGES=$(EXCHANGES) go test -run '^TestSoak$$' -v -timeout 120m ./cmd/zgproxy | grep -v '"level":'

MINUTES ?= 60

.PHONY: lag
lag: ## MINUTES (60) beside providers whose claims lag behind the chain; no look may take that for drift
	ZG_LAG_MINUTES=$(MINUTES) go test -run '^TestLag$$' -v -timeout $$(( $(MINUTES) + 20 ))m ./cmd/zgproxy | grep -v '"level":'

.PHONY: attacks
attacks: ## an evil provider's attacks, each at every place where a provider is asked
	ZG_TEST_ATTACKS=all go test -run '^TestEvilProvider$$' -v -timeout 60m ./cmd/zgproxy | grep -v '"level":'

SECONDS_REFUSED ?= 300

.PHONY: refused
refused: ## SECONDS_REFUSED (300) while the chain's endpoint refuses three of ten requests; all are served and every command ends well
	ZG_REFUSED_SECONDS=$(SECONDS_REFUSED) go test -run '^TestRefusedCalls$$' -v -timeout 60m ./cmd/zgproxy | grep -v '"level":'

UPDATE ?=
ARGS ?=

# Without npm's registry: E2E_NODE_MODULES names a node_modules with what cmd/zgproxy/testdata/e2e/package.json wants, and
# E2E_OFFICIAL_MODULES one with the official CLI. The browser is whichever Chromium is installed, or the program that E2E_CHROMIUM names; without
# one its test is skipped.
.PHONY: e2e
e2e: ## unmodified clients and the official CLI, which npm fetches, and a headless Chromium, on a network of our own; UPDATE=-update writes docs/compatibility.md
	go test -tags e2e -run '^(TestConformance|TestOfficialCLI|TestMigratingIsComplete|TestBrowser)$$' -count=1 -v -timeout 20m ./cmd/zgproxy $(UPDATE) $(ARGS) | grep -v '"level":'

.PHONY: bench
bench: ## zgproxy beside a bare ReverseProxy and no proxy at all: ratios from interleaved runs
	go run ./cmd/zgbench

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' cmd internal | xargs -r -n1 dirname | sort -u); do \
		targets=$$(go test -list '^Fuzz' "./$$dir" | grep '^Fuzz'); \
		for target in $$targets; do \
			echo "== ./$$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "./$$dir"; \
		done; \
	done

GROWTH_BYTES ?= 33554432

.PHONY: growth
growth: ## the cost of a byte of strangers' texts at sizes up to GROWTH_BYTES (32 MiB), for every parser
	ZG_GROWTH_BYTES=$(GROWTH_BYTES) go test -count=1 -run '^TestWorkGrowsWithTheBytes$$' -v -p 1 -timeout 120m \
		$$(grep -rl --include='*_test.go' '^func TestWorkGrowsWithTheBytes' internal | xargs -n1 dirname | sort -u | sed 's|^|./|')

.PHONY: generate
generate: docs ## docs/cli.md, config.md, json.md and doctor.md, the golden help, contract bindings, and with npm the devnet's contracts
	@table=$$(mktemp); for page in config doctor; do \
		go run ./cmd/zgproxy $$page --table > "$$table"; cat "$$table" > docs/$$page.md; \
	done; rm "$$table"
	@cd internal/devnet/contracts && if command -v npm >/dev/null && npm ci --silent --no-audit --no-fund; then node compile.mjs; else \
		echo "no npm here, or nothing to fetch from: the compiled contracts of the devnet stay as they are"; \
	fi
	go generate ./internal/...

.PHONY: docs
docs: ## docs/cli.md, docs/json.md, docs/metrics.md and the golden help texts, from the program
	go test -count=1 -run '^(TestCommandsPage|TestJSONIsDocumented|TestMetricsAreDocumented|TestHelpTexts)$$' ./cmd/zgproxy \
		-update-cli -update-json -update-metrics -update-help

.PHONY: demo-recording
demo-recording: ## docs/demo.svg, from the demo on a terminal
	go test -count=1 -run '^TestRecording$$' ./cmd/zgdevnet -update-recording

.PHONY: man
man: build ## bin/man1: a manual page for every command
	./bin/zgproxy man --dir bin/man1

DIST ?= dist
TARGETS ?= linux/amd64,linux/arm64,darwin/amd64,darwin/arm64
EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || echo 0))

.PHONY: release
release: ## archives for TARGETS (linux and darwin, amd64 and arm64), what is in them, and checksums, in DIST (dist)
	go run ./cmd/zgrelease -version '$(VERSION)' -commit '$(COMMIT)' -date '$(EPOCH)' -targets '$(TARGETS)' -out '$(DIST)'

FRESH ?=

# The second release is built from a copy of the source in another directory, without git; with FRESH=1 it is compiled again
# from nothing, which takes minutes for each target.
.PHONY: check-release
check-release: ## two releases have the same bytes; the archive works; go install works from a module proxy (FRESH=1: compile all twice)
	@dir=$$(mktemp -d); trap 'chmod -R u+w "$$dir"; rm -rf "$$dir"' EXIT; \
	$(MAKE) --no-print-directory release DIST="$$dir/one"; \
	mkdir "$$dir/source"; git ls-files -z | tar -cf - --null -T - | tar -xf - -C "$$dir/source"; \
	$(if $(FRESH),export GOCACHE="$$dir/cache";) \
	$(MAKE) --no-print-directory -C "$$dir/source" release DIST="$$dir/two" VERSION='$(VERSION)' COMMIT='$(COMMIT)' EPOCH='$(EPOCH)'; \
	diff -r "$$dir/one" "$$dir/two" || { echo "two builds of one source differ"; exit 1; }; \
	(cd "$$dir/one" && sha256sum --quiet --check SHA256SUMS); \
	for packed in "$$dir"/one/*_$$(go env GOHOSTOS)_$$(go env GOHOSTARCH).tar.gz; do \
		tar -xzf "$$packed" -C "$$dir"; "$$dir/$$(basename "$$packed" .tar.gz)/bin/zgproxy" version; \
	done; echo "two builds of one source are the same"
	ZG_TEST_INSTALL=1 go test -count=1 -run '^TestInstall$$' -timeout 30m ./cmd/zgrelease

.PHONY: startup
startup: build ## how long commands take to start: the median of their --help
	@for page in cmd/zgproxy/testdata/help/*.txt; do \
		words=$$(basename "$$page" .txt | sed 's/^zgproxy-\{0,1\}//; s/revoke-all/revoke_all/; s/-/ /g; s/_/-/'); \
		for round in 1 2 3; do \
			began=$$(date +%s%N); ./bin/zgproxy $$words --help >/dev/null; ended=$$(date +%s%N); \
			echo $$(( (ended - began) / 1000 )); \
		done; \
	done | sort -n | awk '{ t[NR] = $$1 } END { printf "median %.1f ms, slowest %.1f ms, of %d starts\n", t[int((NR + 1) / 2)] / 1000, t[NR] / 1000, NR }'

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: vuln
vuln: ## known vulnerabilities in what is called (VULNDB=file:///dir for a local copy of the database)
	$(TOOL) govulncheck $(if $(VULNDB),-db $(VULNDB)) ./...

.PHONY: flake
flake: ## one test again and again until it fails: make flake PKG=./internal/billing RUN=TestCrash
	go test -run '$(RUN)' -count=$(COUNT) -failfast -shuffle=on -timeout 60m $(PKG)

COPIES ?= 3
.PHONY: stress
stress: ## the long tests with the race detector, COPIES (3) at a time: finds those that depend on how fast a machine is
	@dir=$$(mktemp -d); go test -c $(RACE) -o "$$dir/tests" ./cmd/zgproxy; cd cmd/zgproxy; \
	for n in $$(seq $(COPIES)); do \
		"$$dir/tests" -test.run '$(RUN)' -test.shuffle=on -test.parallel 6 -test.timeout 60m > "$$dir/$$n.log" 2>&1 & \
	done; wait; \
	grep '^ *--- FAIL' "$$dir"/*.log || true; \
	[[ $$(cat "$$dir"/*.log | grep -c '^PASS$$') == $(COPIES) ]] || { echo "not all passed: see $$dir"; exit 1; }; \
	echo "$(COPIES) times passed"; rm -rf "$$dir"

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
