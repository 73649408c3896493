# make run   installs what is missing, builds, opens the window on a practice site
# make test  installs what is missing, runs every test
#
# The rest: proof (full counts, hours), bench, look (pictures of every screen),
# lint, release. What each needs from Debian stands in .ci/setup.

SHELL := /bin/bash

# The window speaks X11 (a Wayland desktop offers that, too), and Fyne 2.8 is
# told that every call from another goroutine already goes through fyne.Do.
export GOFLAGS := -mod=readonly -buildvcs=false -tags=x11,migrated_fynedo

.PHONY: run test proof bench look lint release programs setup-run setup

run: programs
	@if [ -n "$$DISPLAY" ]; then \
		exec .build/claviger --practice; \
	else \
		echo "No display here, so a practice ceremony is played without the window."; \
		rm -rf .build/rehearsal; \
		.build/claviger rehearse key-generation --out .build/rehearsal && \
		echo "The report is .build/rehearsal/report.pdf. To check it as an auditor would:" && \
		echo "  .build/claviger-verify --site .build/rehearsal/site.vkey .build/rehearsal/report.pdf"; \
	fi

test: setup
	@.ci/test

proof: setup
	@.ci/proof

bench: setup
	@.ci/bench

look: setup programs
	@.ci/look .build/claviger
	@.ci/look --only ceremony --out .build/look/dark-large-screen --size 1920x1080 --appearance 2 .build/claviger
	@.ci/look --only ceremony --out .build/look/contrast-large-text --appearance 3 --larger 4 .build/claviger

lint: setup-run
	@.ci/lint

release: setup-run
	@.ci/release

programs: setup-run
	@mkdir -p .build
	@GOPROXY=off go build -o .build/ ./cmd/claviger ./cmd/claviger-verify

setup-run:
	@.ci/setup build token

setup:
	@.ci/setup build token oracles window
