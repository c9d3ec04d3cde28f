# Everything there is to do with the source. `make` alone lists it.

# Both are set by their `?=` only if the environment or the command line has not.
FUZZTIME ?= 30s
TEST_TIMEOUT ?= 18m

# Everything is watched for races but SQLite itself, which is C translated to Go and guards its memory in C's ways. Watched, it takes
# up to ten times as long, and all that this can find is in code that is not ours.
RACE := -race -gcflags='modernc.org/...=-race=false'

# The version is stamped by us, from git where there is git, so the Go tool's own stamping (which fails in some checkouts)
# stays off.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOBUILD := CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

# Tools are built from source at these versions and kept beside the source, so nobody's own are touched.
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.8.0
TOOLS := $(CURDIR)/.bin
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOVULNCHECK := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)

.DEFAULT_GOAL := help

##@ Try it

.PHONY: demo
demo: ## Two years of partners' rights in a minute, on nothing but this machine
	go run ./cmd/tenure demo

.PHONY: run
run: ## Serve everything from one process, with the embedded database and queue
	go run ./cmd/tenure serve

.PHONY: build
build: ## Build ./bin/tenure, statically linked
	$(GOBUILD) -o bin/tenure ./cmd/tenure

##@ Change it

.PHONY: test
# The two that take longest come first, so that the others fill the time beside them. Tests wait for servers and disks more than for processors, so
# there is one package more at a time than there are of these.
test: test-deps ## Run all tests under the race detector, against real PostgreSQL and Redis (installs them on Debian)
	CGO_ENABLED=1 go test $(RACE) -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -timeout $(TEST_TIMEOUT) ./cmd/... ./storage/... ./...

.PHONY: test-short
test-short: ## Run the tests that `-short` leaves, without the race detector: seconds, for while you type
	go test -short -timeout $(TEST_TIMEOUT) ./...

.PHONY: test-deps
test-deps:
	@scripts/test-deps

.PHONY: lint
lint: $(GOLANGCI) ## Check formatting and run the linters of .golangci.yml
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt'ed; run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(GOLANGCI) run ./...

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities in what we depend on and call
	@scripts/vulncheck $(GOVULNCHECK)

.PHONY: fuzz
fuzz: ## Fuzz every Fuzz* target for FUZZTIME (30s) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: golden
golden: ## Rewrite the golden files; read the diff afterwards
	@scripts/golden

.PHONY: pictures
pictures: ## Make the pictures of the README anew; needs Chromium and a Japanese font
	@scripts/pictures

.PHONY: pictures-console
pictures-console: ## Make the pictures of the console in docs/pictures anew
	@scripts/test-deps browser
	cd browser && go test -count 1 -v -timeout $(TEST_TIMEOUT) -run '^TestPictures$$' . -pictures ../docs/pictures

# `make test-browser BROWSER=-full` looks at each page in every way there is; BROWSER=-short leaves the largest world out, and .ci/run more;
# BROWSER='-only sweeps' looks at some pages, BROWSER='-records 1000000' at so many relationships. Pictures of pages with faults are kept in BROWSER_DIR.
BROWSER ?=
BROWSER_DIR ?= $(CURDIR)/bin

.PHONY: test-browser
test-browser: test-deps ## Look at the console in a real browser, as operators do (installs Chromium on Debian)
	@scripts/test-deps browser
	@mkdir -p $(BROWSER_DIR)
	cd browser && go test -count 1 -timeout $(TEST_TIMEOUT) -artifacts -outputdir $(BROWSER_DIR) . $(BROWSER)

.PHONY: test-interop
test-interop: ## Drive the built program with Microsoft's own Graph client (the first time that takes minutes and 5 GB to build)
	cd interop && go test -count 1 -timeout $(TEST_TIMEOUT) .

# How long, how many relationships, which Redis (standalone, sentinel, cluster or all, one after the other) and with which seed.
STORM_MINUTES ?= 10
STORM_RELATIONSHIPS ?= 3000
STORM_REDIS ?= all
STORM_SEED ?= 1

.PHONY: storm
storm: test-deps ## Two years in STORM_MINUTES (10) of crashes, cuts and full disks; then the books are compared (docs/storm.md)
	STORM_MINUTES=$(STORM_MINUTES) STORM_RELATIONSHIPS=$(STORM_RELATIONSHIPS) STORM_REDIS=$(STORM_REDIS) STORM_SEED=$(STORM_SEED) \
		go test -count 1 -v -timeout 12h -run '^TestNothingIsLostOrDoubledInALongStorm$$' ./storm

.PHONY: mutations
mutations: ## Take away one unique key or guard after the other, and show who notices (an hour)
	@scripts/mutations

# `make bench BENCH=full` goes up to ten million relationships. BENCH_RECORDS=1000000 BENCH_DUE=100000 BENCH_ROUNDS=3 takes much longer. What is measured
# has to lie on a disk, and /tmp may be memory.
BENCH_DIR ?= /var/tmp
BENCH_TIMEOUT ?= 4h

.PHONY: bench
bench: test-deps ## Measure everything beside its limit and its peers, check the books after each run, write the table of the README (half an hour)
	go test -run '^$$' -bench . -benchmem ./lifecycle/...
	cd bench && TMPDIR=$(BENCH_DIR) BENCH="$(BENCH)" BENCH_JSON=figures.json BENCH_TABLES=../README.md:../docs/performance.md \
		go test -count 1 -v -timeout $(BENCH_TIMEOUT) .

# `make bench-console BENCH_CONSOLE_DB=postgres://…` keeps the world in that database for the next time.
BENCH_CONSOLE ?= 1000000
BENCH_CONSOLE_DB ?=

.PHONY: bench-console
bench-console: test-deps ## Measure each page of the console among a million relationships, write the tables of docs/console.md (ten minutes, 4 GB)
	cd bench && TMPDIR=$(BENCH_DIR) BENCH_CONSOLE=$(BENCH_CONSOLE) BENCH_CONSOLE_DB="$(BENCH_CONSOLE_DB)" BENCH_TABLES=../docs/console.md \
		go test -count 1 -v -timeout $(BENCH_TIMEOUT) -run '^TestConsole$$' .

##@ Operate it

.PHONY: secrets
secrets: secrets/db_password.txt ## Make the random secrets that docker-compose.yml mounts; keeps those that exist

# The directory keeps other users of this machine out. The files in it are readable, because a container sees them with
# the owner and mode they have here, and tenure in its container is neither you nor root.
secrets/%.txt:
	@mkdir -p -m 700 secrets
	@umask 022; { openssl rand -hex 24 2>/dev/null || head -c 24 /dev/urandom | od -An -vtx1 | tr -d ' \n'; } | tr -d '\n' >$@.new
	@test -s $@.new && mv $@.new $@
	@echo "made $@"

.PHONY: clean
clean: ## Remove what was built, tools included; secrets and databases stay
	rm -rf bin .bin
	go clean -testcache

$(GOLANGCI):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/golangci-lint $@

$(GOVULNCHECK):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	@mv $(TOOLS)/govulncheck $@

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## "; print "usage: make TARGET" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
