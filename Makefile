# make help lists the targets.
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME      ?= 30s
GOLANGCI_LINT ?= go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

.PHONY: run
run: ## run everything in one process, in development mode
	go run . -dev

.PHONY: build
build: ## build bin/realtime
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/realtime .

# One package at a time, as those that run real processes measure pauses; and never from the cache,
# which does not know that the tests of the binary build it. What needs the libraries of Compose, Helm or Prometheus is a module of its own.
.PHONY: test
test: ## vet and test; installs what the tests need
	.ci/tools
	go vet ./...
	go test -count=1 -p 1 ./...
	cd deploy/test && go vet ./... && go test -count=1 -p 1 ./...

.PHONY: test-race
test-race: ## test with the race detector
	go test -race -count=1 ./...

.PHONY: lint
lint: ## go vet, staticcheck, gofmt, golangci-lint
	go vet ./...
	cd deploy/test && go vet ./...
	go vet -tags broken ./pkg/history/...
	go vet -tags powercut ./loadtest/powercut/...
	go tool staticcheck ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GOLANGCI_LINT) run ./...

# go test takes one fuzz target at a time.
.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME (30s)
	@set -e; grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go | cut -c6-); do \
			echo "== $$dir $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$dir"; \
		done; \
	done

.PHONY: bench
bench: bench-clients bench-directory ## measure CPU, latency and memory; needs redis-server

# BENCH=-only=presence,room measures these parts; BENCH=-h lists them.
.PHONY: bench-clients
bench-clients: ## the part of bench that clients see
	go run ./loadtest/bench $(BENCH)

.PHONY: bench-directory
bench-directory: ## the part of bench about 100,000 users of simulated gateways
	go test -run '^$$' -bench Directory -benchtime 1x ./presence

# LOAD="-scenario chat -connections 5000 -start all -html report.html" says what load, and where; LOAD=-h lists the flags.
.PHONY: load
load: ## put the load of many clients on a cluster; loadtest/README.md tells more
	go run ./loadtest/load $(LOAD)

# BASE=origin/main is what to compare with.
.PHONY: compare
compare: ## compare allocations and instructions of benchmarks with BASE
	.ci/compare $(or $(BASE),origin/main)

# K6=smoke|chat|storm|soak; URL=ws://host/ws where not on this machine. loadtest/k6/README.md tells more.
.PHONY: k6
k6: ## run a k6 script; builds k6 into bin
	loadtest/k6/run $(or $(K6),smoke)

.PHONY: k6-check
k6-check: ## put the same load on by k6 and by loadtest/load, and compare
	loadtest/k6/run check

# TORTURE="-duration 30m -messages 1000000 -seed 7" says how long, and so on; TORTURE=-h lists the flags.
.PHONY: torture
torture: ## kill, stop and cut off processes while a checker looks for lost and repeated messages; needs redis-server
	go run ./loadtest/torture $(TORTURE)

# POWERCUT="-cuts 20 -only embedded -seed 7" says what to play, and so on; POWERCUT=-h lists the flags. Not part of make test:
# the disks it cuts the power of are mounted by FUSE. It needs Linux, /dev/fuse and root. The same as a test:
# go test -tags powercut ./loadtest/powercut/...
.PHONY: powercut
powercut: ## cut the power of disks and see what survives; needs root and /dev/fuse
	go run ./loadtest/powercut $(POWERCUT)

.PHONY: clean
clean: ## remove what build and run made
	rm -rf bin data tmp
