# Everything is installed into .venv with the versions of constraints.txt; the first target you call sets it up.
#
# To choose the interpreter:  make test PYTHON=/path/to/python3.12
# Linux wheels of torch bring CUDA; for the small CPU build set PIP_EXTRA_INDEX_URL to PyTorch's CPU wheel index.

CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
IS_RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in $(CANDIDATES); do if $$name -c '$(IS_RECENT)' 2>/dev/null; then echo $$name; break; fi; done)
BIN := .venv/bin
READY := .venv/ready
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench bench-planning published check-statistics docs format clean

demo: $(READY)
	$(BIN)/isoflop demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -m "not slow"

# Speed beside that of other tools; the peer package lives in an environment of its own. Needs ISOFLOP_DATA.
bench: $(READY) .venv/peer/ready
	$(BIN)/python -m benchmarks

# What a designed ladder is worth, and how long a plan takes.
bench-planning: $(READY)
	$(BIN)/python -m benchmarks.planning

# Published numbers beside those derived here from the same data. Needs ISOFLOP_DATA.
published: $(READY)
	$(BIN)/python -m benchmarks.published_fits
	$(BIN)/python -m benchmarks.published_plans

check-statistics: $(READY)
	$(BIN)/python -m benchmarks.properties

.venv/peer/ready: benchmarks/requirements.txt $(READY)
	$(BIN)/python -m venv .venv/peer
	.venv/peer/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

# The site under site/, from docs/; the reference pages that follow from the code are written anew first.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]' --no-build-isolation
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --quiet --strict

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is made last, so an installation that was interrupted is taken up again.
$(READY): pyproject.toml constraints.txt
	@if ! "$(PYTHON)" -c '$(IS_RECENT)' 2>/dev/null; then \
	  echo "isoflop needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3.12"; exit 2; fi
	@if ! $(BIN)/python -c '' 2>/dev/null; then rm -rf .venv; "$(PYTHON)" -m venv .venv || { rm -rf .venv; \
	  echo "This Python cannot make virtual environments: on Debian or Ubuntu, apt install python3-venv"; exit 2; }; fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation \
	  -e '.[lab,report,dev]'
	@touch $@
