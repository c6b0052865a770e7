# Everything that a developer types. Each target installs what it needs first.

PYTHON ?= python3
BIN := .venv/bin
BIN313 := .venv-313/bin
SOURCES := function_app.py cancel_trigger poll_timer offer_cancellation ops local chaos simulation benchmarks examples tests

# Python 3.13, as in Azure: on the PATH or among pyenv's, and one that runs (a shim may not).
PYTHON313 ?= $(shell for python in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo "$$python" && break; done)
# What runs in Microsoft's worker, which is there from Python 3.13 on.
WORKER_SUITES := tests/conformance tests/agreement

# Tests in several processes, each with servers of its own. A file stays in one process, in order;
# the longest (chaos) comes first. Two more processes than cores: half of the time is waiting.
WORKERS ?= 4
PARALLEL := --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=20

# The modules that decide: pure, and covered to the last branch.
DECISIONS := cancel_trigger/message.py,cancel_trigger/metadata.py,offer_cancellation/backoff.py,offer_cancellation/envelope.py,offer_cancellation/next_step.py,offer_cancellation/original.py,offer_cancellation/outcome_event.py,offer_cancellation/request.py,offer_cancellation/status.py,offer_cancellation/transitions.py,offer_cancellation/ledger/keys.py,offer_cancellation/ledger/record.py,offer_cancellation/ledger/entity.py,offer_cancellation/portal/answer.py,offer_cancellation/portal/cloud_partner_answers.py,offer_cancellation/portal/location.py,offer_cancellation/portal/operation.py,offer_cancellation/portal/segment.py,offer_cancellation/portal/submission.py,offer_cancellation/portal/submission_answers.py,offer_cancellation/portal/throttle.py

.PHONY: help demo run stack unit test test-here test-worker test-313 test-rest-313 chaos simulate mutants soak check format lock install clean

help:  ## Show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

demo: install  ## Send some requests through the whole stack and watch them end
	@$(BIN)/python -m local.demo

run: install  ## Keep the local stack up, to send requests to
	@$(BIN)/python -m local.run

stack: install  ## The same without the app, for `func start`; writes local.settings.json
	@$(BIN)/python -m local.run --no-host --write-settings

unit: .venv/.installed  ## Run the unit tests, in seconds: few examples a property, no server, no network
	EXAMPLES=few $(BIN)/python -m pytest --quiet -m "not slow" tests/unit

ifdef FILE
test: install $(if $(findstring tests/infra,$(FILE)),.venv-infra/.installed)
ifneq (,$(strip $(foreach suite,$(WORKER_SUITES),$(findstring $(suite),$(FILE)))))
	@$(call on_313,$(FILE))
else
	$(BIN)/python -m pytest $(FILE)
endif
else
test: test-here test-worker  ## Run every test; FILE=tests/unit/test_x.py: just that
endif

# Coverage is measured where it decides, on the unit tests: elsewhere it would double the time.
test-here: install .venv-infra/.installed
	$(BIN)/python -m pytest tests/unit --numprocesses=2 --quiet --cov --cov-report=
	@echo "The decision modules, every branch, by unit tests alone:"
	$(BIN)/python -m coverage report --include=$(DECISIONS) --fail-under=100
	$(BIN)/python -m pytest $(WORKER_SUITES:%=--ignore=%) --ignore=tests/unit $(PARALLEL)

test-313: test-worker test-rest-313  ## Run the unit, integration and worker tests on Python 3.13

test-worker: node_modules/.installed
	@$(call on_313,$(WORKER_SUITES) $(PARALLEL))

test-rest-313: node_modules/.installed
	@$(call on_313,tests/unit tests/integration $(PARALLEL))

# Runs pytest on Python 3.13; the only tests that are ever left out, and never quietly.
define on_313
if [ -z "$(PYTHON313)" ]; then \
	echo "*** NOT RUN, there is no Python 3.13 (make PYTHON313=/path/to/python3.13 …): $(1) ***"; \
else \
	$(MAKE) --silent --no-print-directory .venv-313/.installed PYTHON313="$(PYTHON313)" && \
	echo "On Python 3.13: $(1)" && $(BIN313)/python -m pytest $(1); \
fi
endef

chaos: install  ## Take the stack apart while it works, and count what got lost; SEED=n repeats a plan
	@$(BIN)/python -m chaos $(if $(SEED),--seed $(SEED))

simulate: install  ## Run the app in simulated worlds, 10,000 or for ten minutes; SEEDS=n, or SEED=n with its story
	@$(BIN)/python -m simulation $(if $(SEEDS),--seeds $(SEEDS) --seconds 86400) $(if $(SEED),--seed $(SEED))

mutants: install  ## Prove that it finds bugs: one deliberate fault after the other, each has to be found
	@$(BIN)/python -m simulation.mutation

soak: install  ## Print what size and endurance cost
	@$(BIN)/python -m benchmarks.soak

check: install  ## Lint, format, types and spelling
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy function_app.py cancel_trigger poll_timer offer_cancellation ops local chaos simulation benchmarks examples tests
	$(BIN)/codespell

format: install  ## Put the code into shape
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# uv resolves for a Python that is not installed here, and writes down the hash of every file of a version.
LOCK = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock"
# pip ignores a line whose marker is false; on any other Python it looks for a file that is not there, and fails.
ONLY_313 := only-python-3.13 @ file:///this-app-is-deployed-on-python-3.13-only.tar.gz ; python_version != "3.13"

lock: install  ## Pin with hashes, in requirements*.txt, all that requirements*.in ask for
	$(LOCK) --universal --python-version 3.11 requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) --universal --python-version 3.11 requirements-infra.in --output-file requirements-infra.txt
	$(LOCK) --python-version 3.13 --python-platform linux --constraint requirements-dev.txt requirements.in --output-file requirements.txt
	@printf '%s\n' '# What the deployed app needs. The first line is for any Python but 3.13: pip finds no such file, and fails.' '$(ONLY_313)' | cat - requirements.txt > requirements.tmp
	@mv requirements.tmp requirements.txt

install: .venv/.installed node_modules/.installed

.venv/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=/path/to/python3.13 …" or 0)'
	@echo "Installing Python packages into .venv …"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

# A venv of its own: what checks the deployment pins much that the app pins otherwise.
.venv-infra/.installed: requirements-infra.txt
	@echo "Installing what checks the deployment into .venv-infra …"
	$(PYTHON) -m venv .venv-infra
	.venv-infra/bin/python -m pip install --disable-pip-version-check --requirement requirements-infra.txt
	@touch $@

.venv-313/.installed: requirements-dev.txt
	@echo "Installing Python packages into .venv-313 …"
	$(PYTHON313) -m venv .venv-313
	$(BIN313)/python -m pip install --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	@echo "Installing the storage emulator into node_modules …"
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

clean:  ## Remove what was installed and made
	rm -rf .venv .venv-313 .venv-infra node_modules .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
