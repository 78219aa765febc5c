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

.PHONY: demo test test-readers test-clusters test-deepspeed check check-faults recipes bench bench-lab bench-readers bench-planning fuzz-readers published check-statistics docs format clean

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

# The small size of every recipe but quickstart (that is `make demo`), minutes each; stop it at will, it goes on. What
# came out goes to docs/recipes/.
recipes: $(READY)
	$(BIN)/python docs/recipes.py

# Readers on files that wandb, TensorBoard, MLflow, trackio, transformers and lightning themselves write. They are installed
# on top of .venv, which the second environment sees, so that torch is not installed twice.
test-readers: .venv/readers/ready
	.venv/readers/bin/python -m pytest -p no:cacheprovider -m tools tests/readers/tools

.venv/readers/ready: tests/readers/tools/requirements.txt $(READY)
	$(BIN)/python -m venv .venv/readers
	.venv/readers/bin/python -c "import pathlib, sysconfig; \
	  seen = [next(pathlib.Path('.venv/lib').resolve().glob('python3*/site-packages')), pathlib.Path('src').resolve()]; \
	  pathlib.Path(sysconfig.get_path('purelib'), 'main.pth').write_text(''.join(f'{path}\n' for path in seen))"
	.venv/readers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/readers/tools/requirements.txt
	@touch $@

# Studies on a real Slurm (Debian's packages, which need root) and a real Ray, several nodes of each on this machine. The
# keeper ends their daemons with the tests, also where those are killed.
test-clusters: .venv/clusters/ready
	tests/clusters/install.sh
	.venv/clusters/bin/python tests/clusters/keeper.py \
	  .venv/clusters/bin/python -m pytest -p no:cacheprovider -m clusters tests/clusters

.venv/clusters/ready: tests/clusters/requirements.txt $(READY)
	$(BIN)/python -m venv .venv/clusters
	.venv/clusters/bin/python -c "import pathlib, sysconfig; \
	  seen = [next(pathlib.Path('.venv/lib').resolve().glob('python3*/site-packages')), pathlib.Path('src').resolve()]; \
	  pathlib.Path(sysconfig.get_path('purelib'), 'main.pth').write_text(''.join(f'{path}\n' for path in seen))"
	.venv/clusters/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r tests/clusters/requirements.txt
	@touch $@

# The lab's trainer under DeepSpeed, two processes on this machine's CPU.
test-deepspeed: .venv/deepspeed/ready
	.venv/deepspeed/bin/python -m pytest -p no:cacheprovider -s -k deepspeed tests/lab/test_devices.py

.venv/deepspeed/ready: tests/lab/requirements-deepspeed.txt $(READY)
	$(BIN)/python -m venv .venv/deepspeed
	.venv/deepspeed/bin/python -c "import pathlib, sysconfig; \
	  seen = [next(pathlib.Path('.venv/lib').resolve().glob('python3*/site-packages')), pathlib.Path('src').resolve()]; \
	  pathlib.Path(sysconfig.get_path('purelib'), 'main.pth').write_text(''.join(f'{path}\n' for path in seen))"
	.venv/deepspeed/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r tests/lab/requirements-deepspeed.txt
	@touch $@

# Kills, stalls, full disks, damaged checkpoints, jumping clocks, at full size; the counts go to docs/reference/faults.md.
# Parts that are done are kept in .statistics/faults until what they depend on changes; name some to measure them apart:
#   python -m tests.faults.campaign docs/reference/faults.md 1 stalls clocks
check-faults: $(READY)
	$(BIN)/python -m tests.faults.campaign docs/reference/faults.md

# Ten thousand malformed inputs of each family, then a coverage-guided run; the counts go to docs/reference/fuzzing.md.
fuzz-readers: .venv/readers/ready
	rm -f .venv/fuzz-counts.jsonl
	ISOFLOP_FUZZ_EXAMPLES=10000 ISOFLOP_FUZZ_COUNTS=.venv/fuzz-counts.jsonl $(PYTEST) --timeout 3000 tests/faults/test_reader_fuzz.py
	.venv/readers/bin/python tests/faults/fuzz_readers.py --runs 105000 --counts .venv/fuzz-counts.jsonl
	$(BIN)/python -m tests.faults.report .venv/fuzz-counts.jsonl docs/reference/fuzzing.md

# Reading at full size: a gigabyte of CSV, ten thousand run folders, a million checkpoints; and peers on the corpus.
bench-readers: $(READY)
	$(BIN)/python -m benchmarks.reading

# Speed beside that of other tools; the peer package lives in an environment of its own. Needs ISOFLOP_DATA.
bench: $(READY) .venv/peer/ready
	$(BIN)/python -m benchmarks

# The lab's training step beside a plain GPT and GPT2LMHeadModel (from the environment that has transformers).
bench-lab: .venv/readers/ready
	.venv/readers/bin/python -m benchmarks.lab

# What a designed ladder is worth, and how long a plan takes.
bench-planning: $(READY)
	$(BIN)/python -m benchmarks.planning

# Published numbers beside those derived here from the same data. Needs ISOFLOP_DATA.
published: $(READY)
	$(BIN)/python -m benchmarks.published_fits
	$(BIN)/python -m benchmarks.published_plans

# Whether intervals, forecasts and warnings tell the truth, at full size: the pages under docs/reference/ are written from
# it. Half an hour on two cores; what is interrupted goes on where it stopped. Fails where a figure misses what is asked
# of it; the pages say which and why. Needs ISOFLOP_DATA.
check-statistics: $(READY)
	missed=0; for study in coverage backtests diagnostics properties; do \
	  $(BIN)/python -m benchmarks.$$study || missed=1; done; exit $$missed

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
