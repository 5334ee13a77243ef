# The whole interface of the project. `make book` and `make test` work from a fresh clone with
# Python 3.11 or later; everything else that they need, pip installs into .venv.

PYTHON ?= python3
BUDGET ?= 540
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# One thread a process: two processes of two threads each on two cores are ten times slower.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help setup book test check format records gpu lab clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## */\t/' | expand -t 14

setup: $(READY)  ## make .venv and install what the book needs

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1): Python 3.11 or later is needed; name one by 'make PYTHON=python3.12 $(or $(MAKECMDGOALS),setup)'" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: $(READY)  ## execute the chapters that changed and build _build/html/index.html
	@$(BIN)/python -m bnkit book

test: $(READY)  ## unit tests, every chapter at the smoke profile, a strict build
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(READY)  ## format, lint, types and the fast tests: under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not chapters"

format: $(READY)  ## mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

records: $(READY)  ## run what is not recorded of every experiment, resumable; hours
	@for name in $$($(BIN)/python -m bnkit sweep); do $(BIN)/python -m bnkit sweep $$name --tune || exit $$?; done

# It needs torch, triton and numpy, and none of what makes the book: the Python that has them.
gpu:  ## what needs a GPU and is not recorded yet, within BUDGET seconds; ends with records.tgz
	@$(PYTHON) -m bnkit bench session --seconds $(BUDGET) --archive records.tgz

lab: $(READY)  ## JupyterLab on the chapters
	$(BIN)/jupyter lab --notebook-dir chapters

clean:  ## remove what was built; .venv and the data sets stay
	rm -rf _build
