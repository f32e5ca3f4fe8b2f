# make help lists the targets. Everything needs Go and git only, except where it says more.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Tools have a module of their own, so that their dependencies stay out of go.mod. The first use builds them.
TOOL := go tool -modfile=tools/go.mod

# The race detector needs a C compiler; without one the tests run without it.
HAVE_CC := $(firstword $(shell command -v gcc cc clang 2>/dev/null))
RACE := $(if $(HAVE_CC),-race)

FUZZTIME ?= 30s
PKG ?= ./...
RUN ?= .
COUNT ?= 200
VULNDB ?=

.PHONY: help
help: ## list the targets
	@echo "zgproxy $(VERSION)"; echo
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## a whole network on this machine, the proxy in front of it, and a conversation
	./bin/zgdevnet demo ./bin/zgproxy

.PHONY: build
build: ## bin/zgproxy and bin/zgdevnet
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/zgproxy ./cmd/zgdevnet

.PHONY: test
test: ## all tests
	go test -shuffle=on -timeout 20m ./...

.PHONY: check
check: check-format check-lint check-modules check-generated check-race ## everything that has to hold before a merge

.PHONY: check-format
check-format:
	@echo "== format"
	@$(TOOL) golangci-lint fmt --diff || { echo "make fmt mends this"; exit 1; }

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

# Whatever is generated is generated again and compared with what was there, committed or not.
GENERATED := docs/config.md internal/chain/bindings internal/devnet/contracts

.PHONY: check-generated
check-generated:
	@echo "== generated files"
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	tar -cf - --exclude node_modules $(GENERATED) | tar -xf - -C "$$before"; \
	$(MAKE) --no-print-directory generate; \
	for path in $(GENERATED); do \
		diff -ru --exclude node_modules "$$before/$$path" "$$path" || { echo "$$path was out of date; it has been generated anew"; exit 1; }; \
	done
	@echo "== metrics that the alert rules name"
	@for metric in $$(grep -o 'zgproxy_[a-z0-9_]*' deploy/prometheus/alerts.yml | sed -E 's/_(bucket|sum|count)$$//' | sort -u); do \
		grep -rqF --include='*.go' "\"$$metric\"" cmd internal || { echo "alerts.yml names $$metric, which no code exports"; exit 1; }; \
	done

.PHONY: check-race
check-race:
	@echo "== tests with the race detector"
	@[[ -n "$(RACE)" ]] || echo "no C compiler here: the tests run without the race detector"
	go test $(RACE) -shuffle=on -timeout 30m ./...

ROUNDS ?= 1000
EXCHANGES ?= 100000

.PHONY: crash
crash: ## kill the real binary at ROUNDS (1000) random moments and at every named point; check the books each time
	ZG_CRASH_ROUNDS=$(ROUNDS) go test -run '^TestCrash' -v -timeout 120m ./cmd/zgproxy | grep -v '"level":'

.PHONY: soak
soak: ## EXCHANGES (100000) requests in bad weather; the book has to equal the chain to the neuron
	ZG_SOAK_EXCHANGES=$(EXCHANGES) go test -run '^TestSoak$$' -v -timeout 120m ./cmd/zgproxy | grep -v '"level":'

.PHONY: e2e
e2e: ## the official client for Node, which npm fetches, against the daemon and a devnet
	go test -tags e2e -run '^TestNodeClient$$' -count=1 -v -timeout 10m ./cmd/zgproxy | grep -v '"level":'

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

.PHONY: generate
generate: ## docs/config.md, contract bindings, and with npm the devnet's contracts
	@table=$$(mktemp); go run ./cmd/zgproxy config --table > "$$table"; cat "$$table" > docs/config.md; rm "$$table"
	@if command -v npm >/dev/null; then \
		cd internal/devnet/contracts && npm ci --silent --no-audit --no-fund && node compile.mjs; \
	else \
		echo "no npm here: the compiled contracts of the devnet stay as they are"; \
	fi
	go generate ./internal/...

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: vuln
vuln: ## known vulnerabilities in what is called (VULNDB=file:///dir for a local copy of the database)
	$(TOOL) govulncheck $(if $(VULNDB),-db $(VULNDB)) ./...

.PHONY: flake
flake: ## one test again and again until it fails: make flake PKG=./internal/billing RUN=TestCrash
	go test -run '$(RUN)' -count=$(COUNT) -failfast -shuffle=on -timeout 60m $(PKG)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
