# Everything one does here, by name. `make help` lists it; `make check` is what one runs before a commit.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 5s
SOAK     ?= 60s
BENCH    ?= .
COUNT    ?= 6

# ./... stops at a module's border; the agent SDK is a module of its own.
PKGS    := ./... ./plugins/agent/...
MODULES := . plugins/agent

# Packages with tests that need a cluster, tagged e2e.
CLUSTERED := ./internal/enterprise/... $(if $(wildcard cmd/parallaxd),./cmd/parallaxd/...)

# The version is given below, so the build does not ask git who owns the checkout.
export GOFLAGS := $(if $(findstring -buildvcs,$(GOFLAGS)),$(GOFLAGS),$(strip $(GOFLAGS) -buildvcs=false))

BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

# -modfile and go.work exclude each other. $(call tool,DIR) runs in DIR a tool pinned in internal/tools.
tool = cd $(1) && GOWORK=off nice -n 15 go tool -modfile=$(CURDIR)/internal/tools/go.mod
lint = $(call tool,$(1)) golangci-lint $(2) --config $(CURDIR)/.golangci.yml

# The race detector needs a C compiler; without one the tests still run, and say so.
CC_FOUND := $(shell command -v $$(go env CC) 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race)
TEST     := $(if $(CC_FOUND),CGO_ENABLED=1 )go test $(RACE) -shuffle=on -vet=off -timeout 30m

.DEFAULT_GOAL := help
.PHONY: help build run demo test quick script golden e2e temporal fuzz soak bench fmt lint arch vet vuln deps gen verify check ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: ## build bin/parallax, stripped and static
	@mkdir -p bin
	$(BUILD) -o bin/ ./cmd/...

run: build ## run a pattern: make run P=examples/hello/hello.star
	bin/parallax run $(or $(P),examples/hello/hello.star)

# What the oracles of the review compile is then in the cache already.
demo: export GOFLAGS += -trimpath
demo: export CGO_ENABLED := 0
demo: build ## review this repository with a team of agents; needs no key and no network
	$(BUILD) -o examples/review/bin/ ./examples/review/agents/...
	bin/parallax run examples/review/review.star

test: vet race programs fuzz lint ## all tests with the race detector, the programs without it too, vet, short fuzzing, lint

.PHONY: race
race:
	@$(if $(CC_FOUND),,echo "no C compiler ($$(go env CC)): the tests run without the race detector" >&2)
	$(TEST) -skip '^TestScript$$' $(PKGS)

.PHONY: programs
programs: # scripts of commands start thousands of processes, and some tests are bounds of time and memory: without the race detector
	go test -vet=off -count=1 -timeout 30m ./cmd/...

quick: ## the tests without the race detector, from the cache where nothing changed
	go test -vet=off -short $(PKGS)

script: ## the command line tests, txtar scripts in process
	go test -vet=off -count=1 -run Script ./cmd/... ./internal/cli/...

golden: ## rewrite golden files and generated pages; read the diff as a reviewer would
	@grep -rlE --include='*_test.go' 'flag\.Bool\("update"' . | xargs -r -n1 dirname | sort -u | while read -r dir; do \
		go test -vet=off -count=1 "$$dir" -update </dev/null; done

e2e: temporal ## the tests against a real Temporal server on PostgreSQL
	go test -vet=off -count=1 -p 1 -timeout 30m -tags e2e $(CLUSTERED)

temporal: ## build that server into a cache, once; nine minutes of CPU
	@.ci/temporal

fuzz: ## fuzz every target for FUZZTIME (5s)
	@.ci/fuzz $(FUZZTIME)

soak: temporal ## fuzz every target for SOAK (60s) and run the tests tagged soak
	@.ci/fuzz $(SOAK)
	$(TEST) -timeout 2h -tags soak -run Soak $(PKGS)
	go test -vet=off -count=1 -v -p 1 -timeout 3h -tags e2e,soak -run Soak $(CLUSTERED)

bench: ## benchmarks, COUNT (6) times each, with their spread; BENCH=regexp chooses
	@mkdir -p bin
	go test -vet=off -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKGS) | tee bin/bench.txt
	@$(call tool,.) benchstat bin/bench.txt

fmt: ## format the Go code: gofumpt, and imports in three groups
	@$(call lint,.,fmt)

lint: ## golangci-lint over every module, formatting included; FIX=--fix mends what it can
	@for dir in $(MODULES); do echo "lint $$dir"; ($(call lint,"$$dir",run) $(FIX) ./...); done
	@$(MAKE) workflowcheck

.PHONY: workflowcheck
workflowcheck: # that the code of workflows decides by nothing but its history
	@test ! -d internal/enterprise/temporal || { echo "workflowcheck"; GOFLAGS="$(GOFLAGS) -tags=workflowcheck" && export GOFLAGS && \
		$(call tool,.) workflowcheck -config .workflowcheck.yaml ./internal/enterprise/temporal; }

arch: ## floors, doors, and what the documents say about them
	go test -vet=off ./internal/archtest

vet: ## go vet
	go vet -tags e2e,soak $(PKGS)

.PHONY: deciding
deciding: ## simulate the ways of deciding again, and rewrite docs/deciding.md and its plot
	go run ./internal/bench/deciding -docs docs

vuln: ## known vulnerabilities in what we call; needs vuln.go.dev and is no part of check
	@for dir in $(MODULES); do status=0; ($(call tool,"$$dir") govulncheck ./...) || status=$$?; case $$status in \
		0) ;; \
		3) echo "make vuln: $$dir calls code with known vulnerabilities, see above" >&2; exit 3 ;; \
		*) echo "make vuln: NOTHING WAS CHECKED in $$dir: govulncheck needs https://vuln.go.dev, or could not build the code" >&2; exit 1 ;; \
	esac; done

deps: ## rewrite cmd/*/depaware.txt and the floors in .golangci.yml from the tree
	go test -vet=off -count=1 ./internal/archtest -run 'TestBinariesLinkWhatTheirListSays|TestDepguardSaysTheSame' -update

gen: ## regenerate code; needs protoc
	@command -v protoc >/dev/null || { echo "make gen: protoc is not installed; install protobuf-compiler 3.21 or later" >&2; exit 1; }
	go generate $(PKGS)

.PHONY: github-api
github-api: ## take GitHub's description of its API anew, as far as tests need it; needs npm and 30 MB from its registry
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && npm pack --silent --pack-destination "$$dir" @octokit/openapi@23.0.2 >/dev/null && \
		go run ./internal/testkit/github/trim "$$dir"/*.tgz >"$$dir/new" && mv "$$dir/new" internal/testkit/github/description/api.github.com.json

verify: gen ## generated code, go.mod and standalone modules are as they should be
	@changed=$$(git diff -I '^// .*protoc  *v'); test -z "$$changed" || \
		{ echo "$$changed"; echo "make verify: not committed, or stale generated code, see above" >&2; exit 1; }
	@for dir in $(MODULES) internal/tools internal/tools/temporal; do echo "tidy $$dir"; (cd "$$dir" && GOWORK=off go mod tidy -diff); done
	@for dir in $(MODULES); do echo "build $$dir alone"; (cd "$$dir" && GOWORK=off go build ./...); done

check: fmt lint vet arch quick ## before a commit: format, lint, floors, quick tests

ci: ## what the build server runs, on a clean checkout
	.ci/run
