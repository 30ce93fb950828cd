# Works with make 3.81 and any Python from 3.11 on. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo test check lint format bench peers chaos chaos-selftest lock lock-peers clean venv
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -q -n auto --dist worksteal
ARGS ?=

# Bytecode is written whatever the caller's shell says: without it every start-up is 2 to 4 times slower.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: venv ## a broken application, found, mended, verified and undone
	@$(BIN)/trueup demo $(ARGS)

test: venv ## the tests without the slow ones, on throw-away servers of their own
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow" $(ARGS)

check: lint ## all that CI runs: style, types, all tests, docs and examples
	@$(BIN)/python -m pytest $(PYTEST_ARGS) $(ARGS)

lint: venv ## style and types only
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "the files above are not formatted: make format" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary

format: venv ## format the code, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix .; $(BIN)/ruff format --quiet .

bench: venv ## the benchmarks, side by side with what one would use instead (ARGS=...)
	@$(BIN)/python -m benchmarks $(ARGS)

peers: $(VENV)/peers/.requirements $(VENV)/linters/.requirements ## the tools that make bench measures beside trueup

$(VENV)/peers/.requirements $(VENV)/linters/.requirements: $(VENV)/%/.requirements: requirements/%.txt | $(VENV)/.python
	@echo "installing what requirements/$*.txt lists"
	@$(BIN)/python -m venv --clear $(VENV)/$*
	@$(call quietly,$(VENV)/$*/bin/python -m pip install --require-hashes -r requirements/$*.txt)
	@touch $@

chaos: venv ## the fault suite: each scenario once, or for an hour with ARGS="--minutes 60"
	@$(BIN)/python -m tests.chaos $(ARGS)

chaos-selftest: venv ## bugs planted into trueup, which make chaos must catch (ARGS=...)
	@$(BIN)/python -m tests.chaos --planted $(ARGS)

clean: ## remove what make made
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

venv: $(VENV)/.package

# $(call quietly,COMMAND): its output only when it fails
quietly = $(1) > $(VENV)/install.log 2>&1 || { tail -n 25 $(VENV)/install.log >&2; exit 1; }

$(VENV)/.python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2> /dev/null || { lacking="$$lacking $$python"; continue; }; \
	  echo "making $(VENV) with $$("$$python" --version)" && "$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
	  echo "$$python could not make $(VENV)" >&2; exit 1; \
	done; \
	if [ -n "$$lacking" ]; then echo "trueup:$$lacking cannot make a virtual environment; install its venv package (Debian: python3-venv)" >&2; \
	else echo "trueup needs Python 3.11 or later and found none; install it or run: make PYTHON=/path/to/python3.11 ..." >&2; fi; exit 1

$(VENV)/.requirements: requirements/dev.txt | $(VENV)/.python
	@echo "installing what requirements/dev.txt lists"
	@$(call quietly,$(BIN)/python -m pip install --no-compile --require-hashes -r requirements/dev.txt)
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true
	@touch $@

$(VENV)/.package: pyproject.toml $(VENV)/.requirements
	@$(call quietly,$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .)
	@touch $@

LOCK := $(VENV)/lock
# No address of an index, no folder of wheels: where packages come from is the business of the machine.
COMPILE = CUSTOM_COMPILE_COMMAND="make $@" $(LOCK)/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

$(LOCK)/.requirements: requirements/lock.txt | $(VENV)/.python
	@$(BIN)/python -m venv --clear $(LOCK) && $(LOCK)/bin/python -m pip install -q --require-hashes -r requirements/lock.txt
	@touch $@

lock: $(LOCK)/.requirements ## pin the newest versions anew (takes minutes)
	@$(COMPILE) --upgrade --output-file requirements/dev.txt requirements/dev.in
	@$(COMPILE) --upgrade --output-file requirements/lock.txt requirements/lock.in
	@$(COMPILE) --upgrade --output-file requirements/sqlalchemy14.txt requirements/sqlalchemy14.in

lock-peers: $(LOCK)/.requirements ## pin the newest versions of what make peers installs (takes minutes)
	@$(COMPILE) --upgrade --output-file requirements/peers.txt requirements/peers.in
	@$(COMPILE) --upgrade --output-file requirements/linters.txt requirements/linters.in
