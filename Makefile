# What is done with this repository, by name. "make check" is what a change has
# to pass; .ci/run does all of it on a bare machine.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.7.0
FUZZTIME    ?= 15s
PLATFORMS   ?= linux/amd64 linux/arm64 linux/riscv64 linux/386 darwin/arm64 windows/amd64
# Where everything builds, but no tests are linked.
BUILD_ONLY  ?= js/wasm plan9/amd64
# Modules of their own, for what drags many others along.
NESTED      := $(patsubst %/go.mod,%,$(wildcard */*/go.mod))
FILTERS     ?= $(CURDIR)/testdata/filters

.PHONY: all build test test-386 nested race checkptr fuzz bench lint cross check clean-tree corpus cover clean

all: build

build:
	$(GO) build ./...
	$(GO) build -o bin/ ./cmd/...

test:
	$(GO) test ./...

nested:
	@set -e; for m in $(NESTED); do echo "module $$m"; (cd $$m && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./... && $(GO) test ./... && $(GO) mod tidy -diff); done

race:
	$(GO) test -race -short ./...

# Where there is no native code: 32-bit programs, which an x86-64 runs as well.
test-386:
	GOARCH=386 $(GO) test -short ./...

# Pointer arithmetic around generated code, checked by the runtime.
checkptr:
	$(GO) test -gcflags=all=-d=checkptr ./jit/...

# Every fuzz target there is, FUZZTIME each.
fuzz:
	.ci/fuzz $(FUZZTIME)

# Nanoseconds per packet beside C's: bench/run.sh says of what. DIR is a folder
# with mix.pcap and filters/NAME.opt.ddd; without it both are made.
bench:
	bench/run.sh $(DIR)

lint:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt: $$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# Everything builds for every platform, tests included. They are linked, not run.
cross:
	@set -e; for p in $(PLATFORMS); do \
		echo "cross $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./...; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) test -exec true ./... >/dev/null; \
		for m in $(NESTED); do (cd $$m && CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./...); done; \
	done
	@set -e; for p in $(BUILD_ONLY); do \
		echo "cross $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./...; \
	done

check: lint cross nested clean-tree

# Nothing is generated, formatted or downloaded that is not committed.
clean-tree:
	$(GO) mod tidy -diff
	@if [ -n "$$(git status --porcelain)" ]; then git status --short; echo "the tree is dirty"; exit 1; fi

# Each filter of FILTERS over each Ethernet packet below DIR, in every engine.
corpus:
	@if [ -z "$(DIR)" ]; then echo "make corpus DIR=... [FILTERS=...]"; exit 2; fi
	$(GO) test ./cmd/bpfc -run '^TestCorpus$$' -count=1 -timeout 2h -v -args -corpus='$(abspath $(DIR))' -filters='$(abspath $(FILTERS))'

cover:
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -1

clean:
	rm -rf bin cover.out
