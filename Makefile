# Everything is set up by the first target that needs it: Python 3.11+, pip and make are enough.
SHELL := /bin/bash
PYTHON ?= python3
UV := .tooling/bin/uv
BIN := .venv/bin
# Where this is set for all processes of a machine, each of ours would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test audits resume fuzz schemathesis faults guards hosts check fmt schema settings-docs bench screenshots playground clean
.DEFAULT_GOAL := run

# uv lives in a venv of its own, so that the machine needs none. A uv on PATH is not asked: versions would differ.
$(UV):
	$(PYTHON) -m venv .tooling
	.tooling/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

.venv/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --quiet --no-dev --python $(PYTHON) --inexact
	@touch $@

.venv/.synced-dev: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --quiet --python $(PYTHON)
	@touch $@ .venv/.synced

# The development server: SQLite, unknown tasks simulated, webhooks sent to its own /webhook-test.
run: .venv/.synced
	SIGNALBOX_UNKNOWN_TASK=$${SIGNALBOX_UNKNOWN_TASK:-simulate} \
	SIGNALBOX_WEBHOOK_TEST=$${SIGNALBOX_WEBHOOK_TEST:-true} \
	SIGNALBOX_WEBHOOK_ALLOW=$${SIGNALBOX_WEBHOOK_ALLOW:-127.0.0.0/8,::1/128} \
	WEBHOOK_URL=$${WEBHOOK_URL:-http://127.0.0.1:$${PORT:-8000}/webhook-test} \
	exec $(BIN)/signalbox serve --port $${PORT:-8000} $(ARGS)

# Most of a test's time is waiting, so more run at once than there are cores; those of one file run one after another.
TESTERS ?= 4
test: .venv/.synced-dev
	$(BIN)/pytest -n $(TESTERS) --dist loadfile $(ARGS)

# Other makers' audits and clients, and the rules of the protocols, against a real server; tables of what was found.
audits: .venv/.synced-dev
	SIGNALBOX_TEST_REQUIRE=1 $(BIN)/pytest --timeout 0 -m "clients or rules" tests/clients $(ARGS)

# Subscribers that lose their connection again and again, on two servers and MariaDB, compared with the log at the end.
SECONDS ?= 60
SUBSCRIBERS ?= 50
resume: .venv/.synced-dev
	SIGNALBOX_TEST_RESUME_SECONDS=$(SECONDS) SIGNALBOX_TEST_RESUME_JOBS=$(or $(RESUME_JOBS),20000) \
	SIGNALBOX_TEST_RESUME_SUBSCRIBERS=$(SUBSCRIBERS) $(BIN)/pytest --timeout 0 -m resume tests/clients $(ARGS)

# COUNT broken requests and frames that follow from SEED, to a real server.
COUNT ?= 100000
SEED ?= 1
fuzz: .venv/.synced-dev
	SIGNALBOX_TEST_FUZZ_COUNT=$(COUNT) SIGNALBOX_TEST_FUZZ_SEED=$(SEED) $(BIN)/pytest --timeout 0 -s -m fuzz tests/fuzz $(ARGS)

# Schemathesis for 5 minutes against the server at URL, whose database is full of rubbish afterwards. It runs from an
# environment of its own that uv keeps: what it needs is no part of ours.
URL ?= http://127.0.0.1:8000/graphql
schemathesis: $(UV)
	SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH=tests/fuzz $(UV) tool run 'schemathesis>=4.32,<5' run $(URL) \
	--max-time 300 --seed $(SEED) --continue-on-failure --checks no_defect --workers 2 --request-timeout 30

# Every fault on MariaDB, MySQL and SQLite, each with JOBS jobs, and a table of what was found. What is done follows from
# SEED; SEEDS gives how many are tried, from that one on. PROCESSES runs go on at a time: each mostly waits.
SEEDS ?= 1
JOBS ?= 5000
PROCESSES ?= 3
# F13 upgrades from the revision FROM.
faults: .venv/.synced-dev
	SIGNALBOX_TEST_UPGRADE_FROM=$(FROM) SIGNALBOX_TEST_FAULT_SEED=$(SEED) SIGNALBOX_TEST_FAULT_SEEDS=$(SEEDS) SIGNALBOX_TEST_FAULT_JOBS=$(JOBS) $(BIN)/pytest --timeout 0 -m faults -rs -n $(PROCESSES) --dist worksteal tests/faults $(ARGS)

# What of the tests fails without the claim token, the guard on the status, or the event's insert.
guards: .venv/.synced-dev
	SIGNALBOX_TEST_REQUIRE=1 $(BIN)/pytest --timeout 0 -m guards tests/faults $(ARGS)

# Two servers and four workers on hosts of their own (network namespaces, as root), JOBS jobs for each thing that breaks.
hosts: .venv/.synced-dev
	SIGNALBOX_TEST_HOSTS_SEED=$(SEED) SIGNALBOX_TEST_HOSTS_JOBS=$(JOBS) $(BIN)/pytest --timeout 0 -m hosts tests/faults $(ARGS)

check: .venv/.synced-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/signalbox schema | diff -u schema/schema.graphql -
	$(BIN)/python -m server.settings_docs --check README.md
	$(MAKE) test

fmt: .venv/.synced-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: .venv/.synced-dev
	$(BIN)/signalbox schema > schema/schema.graphql

settings-docs: .venv/.synced-dev
	$(BIN)/python -m server.settings_docs --write README.md

# A short form of every benchmark, on SQLite or on databases that may be emptied (URLS); what they need more is said in
# benchmarks/README.md, and left out where it is missing.
URLS ?=
BENCH := $(BIN)/python benchmarks
bench: .venv/.synced-dev
	$(BENCH)/lifecycle.py --jobs 2000 --runs 1 $(URLS)
	$(BENCH)/latency.py --jobs 100 $(URLS)
	$(BENCH)/drain.py --jobs 5000 --runs 1 $(URLS)
	$(BENCH)/growth.py --sizes 1000,5000 --backlog 20000 --jobs 2000 --runs 1 --requests 50 $(URLS)
	$(BENCH)/memory.py --jobs 2000 --starts 1 $(URLS)
	$(BENCH)/webhooks.py --deliveries 500 $(or $(URLS),sqlite)
	! command -v chromium >/dev/null || $(BENCH)/dashboard.py --jobs 20000 --loads 3 $(URLS)
	$(BENCH)/footprint.py --jobs 1000 $(URLS)
	! command -v npm >/dev/null || $(BENCH)/fanout.py --sockets 100 --events 50 --runs 1
	set -e; for url in $(URLS); do \
		$(BENCH)/scans.py --jobs 20000 $$url; \
		$(BENCH)/contention.py --seconds 5 $$url; \
		! command -v redis-server >/dev/null || $(BENCH)/dispatch.py --jobs 50 --seconds 5 $$url; \
		! command -v wrk >/dev/null || ! command -v npm >/dev/null || { \
			$(BENCH)/graphql_reads.py --runs 1 --seconds 2 --database $$url; \
			$(BENCH)/graphql_writes.py --runs 1 --seconds 2 --database $$url; }; \
	done

# Pictures for the README, taken by the browser tests.
screenshots: .venv/.synced-dev
	SIGNALBOX_TEST_REQUIRE=1 SIGNALBOX_SCREENSHOTS=$(CURDIR)/docs/screenshots $(BIN)/pytest -m "browser or screenshots" -k "(pictures or the_example) and not mysql" tests/browser

playground:
	cd playground && npm ci && npm run build

clean:
	rm -rf .venv .tooling playground/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
