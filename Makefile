# Everything that a developer types. Each target installs what it needs first.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := function_app.py cancel_trigger poll_timer offer_cancel local tests

# The modules that decide: pure, and covered to the last branch.
DECISIONS := cancel_trigger/decisions.py,cancel_trigger/meeting.py,cancel_trigger/message.py,poll_timer/decisions.py,poll_timer/message.py,offer_cancel/backoff.py,offer_cancel/envelope.py,offer_cancel/request.py,offer_cancel/outcome.py,offer_cancel/ledger/keys.py,offer_cancel/ledger/record.py,offer_cancel/ledger/entity.py,offer_cancel/portal/answer.py,offer_cancel/portal/location.py,offer_cancel/portal/operation.py,offer_cancel/portal/throttle.py

.PHONY: help demo run stack test check format install clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

demo: install  ## Send a dozen requests through the whole stack and watch them end
	@$(BIN)/python -m local.demo

run: install  ## Keep the local stack up, to send requests to
	@$(BIN)/python -m local.run

stack: install  ## The same without the app, for `func start`; writes local.settings.json
	@$(BIN)/python -m local.run --no-host --write-settings

test: install  ## Run every test, with coverage
	$(BIN)/python -m pytest --cov --cov-report=term
	@echo "The decision modules, every branch:"
	$(BIN)/python -m coverage report --include=$(DECISIONS) --fail-under=100

check: install  ## Lint, format and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy function_app.py cancel_trigger poll_timer offer_cancel local
	@for suite in tests/*/; do ls $$suite*.py >/dev/null 2>&1 && { $(BIN)/mypy $$suite || exit 1; }; done; true

format: install  ## Put the code into shape
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

install: .venv/.installed node_modules/.installed

.venv/.installed: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=/path/to/python3.13 …" or 0)'
	@echo "Installing Python packages into .venv …"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	@echo "Installing the storage emulator into node_modules …"
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

clean:  ## Remove what was installed and made
	rm -rf .venv node_modules .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
