# What a change has to pass, and what its tests notice. See README.md.

GO ?= go
export GOFLAGS ?= -pgo=off

# Packages whose tests are to notice what is wrong in them.
PACKAGES ?= ./access/... ./apikey ./keystore ./ratelimit
# For make mutate: BASE=REV only lines changed since then, FOR=TIME no longer than that.
BASE ?=
FOR ?= 0

.PHONY: test ci mutate

test:
	$(GO) test ./...

ci:
	bash .ci/run

mutate:
	$(GO) run ./cmd/mutate -base '$(BASE)' -for '$(FOR)' $(PACKAGES)
