# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.installed
# a process takes tests as they stand, so that files share what they record, and is then helped out
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal

.PHONY: demo test check lint types slow integrations damage readme docs arithmetic bench gpu figures clean

demo: $(SETUP)
	$(BIN)/nndyn demo

test: $(SETUP)
	$(PYTEST) -m "not slow"

check: lint types $(SETUP)
	$(PYTEST)

lint: $(SETUP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(SETUP)
	$(BIN)/mypy

slow: $(SETUP)
	$(PYTEST) -m slow

# recorders in trainers of other libraries, in an environment of their own: .venv stays as it is
integrations: .venv-integrations/.installed
	.venv-integrations/bin/python -m pytest -q tests/nndyn/integrations

# files damaged in two thousand ways; prints the table of docs/reliability.md
damage: $(SETUP)
	$(BIN)/python -m tests.damage.campaign 2000

# the site in build/docs, its notebooks executed; a warning is an error
docs: .venv/.docs
	rm -rf docs/api build/docs
	$(BIN)/python -m sphinx -E -W --keep-going -q -j 2 -b html -d build/doctrees docs build/docs
	@echo "the site is in build/docs/index.html" >&2

# every block of README.md and of the first pages of docs, in order, each page in an empty folder;
# QUICK=--quick for fewer runs and steps
readme: $(SETUP)
	$(BIN)/python -m tests.readme $(QUICK)

# the default tests as other processors compute them, and with other threads
ARITHMETICS := MKL_CBWR=AVX2 MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1 OMP_NUM_THREADS=2
arithmetic: $(SETUP)
	for one in $(ARITHMETICS); do \
		env $$one $(PYTEST) -m "not slow" || exit 1; \
	done

# PEERS=PYTHON, of an environment with tests/benchmarks/requirements.txt, for the ratios to them
bench: $(SETUP)
	for what in functions recording modules loop watch batch exploration recurrence tangents second_order memory; do \
		env -u OPENBLAS_CORETYPE OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
			$(BIN)/python tests/benchmarks/$$what.py || exit 1; \
	done

# all that needs a GPU, in under eight minutes, with any Python that has what nndyn needs: a machine
# with one may have no network. GPU="--device cpu --size tiny" tries every line of it elsewhere.
GPU ?= --device cuda --minutes 5
GPU_PYTHON ?= $(PYTHON)
gpu: export PYTHONPATH := $(CURDIR):$(PYTHONPATH)
gpu:
	timeout 170 $(GPU_PYTHON) -m pytest -q -m gpu -p no:cacheprovider -W default::DeprecationWarning -W default::FutureWarning \
		$$(grep -rl --include='test_*.py' 'mark\.gpu' tests); tests=$$?; \
		$(GPU_PYTHON) tests/benchmarks/gpu.py $(GPU) && exit $$tests

# every figure on one sheet
figures: $(SETUP)
	$(BIN)/python examples/figures.py --output docs/figures.png

$(SETUP): pyproject.toml constraints.txt
	@echo "making .venv, with nndyn and what it needs; the downloads are some gigabytes, once" >&2
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	touch $@

.venv/.docs: $(SETUP)
	$(BIN)/python -m pip install -c constraints.txt -e '.[docs]'
	touch $@

.venv-integrations/.installed: pyproject.toml constraints.txt
	test -x .venv-integrations/bin/python || $(PYTHON) -m venv .venv-integrations
	.venv-integrations/bin/python -m pip install -c constraints.txt -e '.[test,integrations]'
	touch $@

clean:
	rm -rf build dist *.egg-info demo .pytest_cache .mypy_cache .ruff_cache
