# heldout's commands for people who work on it, or try it; each sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests and benchmarks put one thread on each core themselves.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# For two cores, because a test waits half of the time. Who takes which test, and when, is in tests/conftest.py.
PYTEST  := -m pytest -n 4 --no-loadscope-reorder --durations 15
SOURCES := monitor judges alerts tests

.PHONY: help run test soak bench lint format lock clean

help: ## This list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/run.stamp ## Collect the sample's baseline, make the first weekly run, and begin the daemon with its page.
	@$(BIN)/heldout baseline show local-rag support >/dev/null 2>&1 || $(BIN)/heldout baseline collect local-rag support --yes
	@$(BIN)/heldout run --due
	@echo
	@$(BIN)/heldout status
	@echo
	@echo "Next: your own target (README.md, \"Your own target\"). The daemon begins now; Ctrl-C ends it."
	@exec $(BIN)/heldout serve

test: $(VENV)/dev.stamp ## Everything but the long counts, and once more on PostgreSQL what touches a database.
	$(THREADS) $(BIN)/python $(PYTEST) -m "not soak and not bench"
	$(THREADS) HELDOUT_TEST_DATABASE=postgresql $(BIN)/python $(PYTEST) -m "database and not soak and not bench"

soak: $(VENV)/dev.stamp ## The long counts.
	$(THREADS) $(BIN)/python -m pytest -m soak --timeout 3600

bench: $(VENV)/dev.stamp ## Benchmarks: figures and ratios, each taken in one run.
	@for file in tests/bench/bench_*.py; do echo "== $$file"; PYTHONPATH=. $(THREADS) $(BIN)/python $$file || exit 1; done

lint: $(VENV)/dev.stamp ## Style, types and layers.
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## Put the code into its form.
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lock: $(VENV)/dev.stamp ## Write both requirements files anew, with hashes and without addresses.
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip --quiet install pip-tools
	$(VENV)/lock/bin/pip-compile $(LOCK) --extra build -o requirements.txt pyproject.toml
	$(VENV)/lock/bin/pip-compile $(LOCK) --extra build --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml

LOCK := --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean: ## Remove the environment and the caches; never the database.
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run.stamp
