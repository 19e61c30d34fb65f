# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.installed

.PHONY: demo test check lint types slow damage arithmetic bench figures clean

demo: $(SETUP)
	$(BIN)/nndyn demo

test: $(SETUP)
	$(BIN)/python -m pytest -q -m "not slow"

check: lint types $(SETUP)
	$(BIN)/python -m pytest -q

lint: $(SETUP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(SETUP)
	$(BIN)/mypy

slow: $(SETUP)
	$(BIN)/python -m pytest -q -m slow

# files damaged in two thousand ways; prints the table of docs/reliability.md
damage: $(SETUP)
	$(BIN)/python -m tests.damage.campaign 2000

# the default tests as other processors compute them, and with other threads
ARITHMETICS := MKL_CBWR=AVX2 MKL_CBWR=COMPATIBLE OMP_NUM_THREADS=1 OMP_NUM_THREADS=2
arithmetic: $(SETUP)
	for one in $(ARITHMETICS); do \
		env $$one $(BIN)/python -m pytest -q -m "not slow" || exit 1; \
	done

bench: $(SETUP)
	for what in recording modules batch exploration recurrence tangents second_order memory; do \
		env -u OPENBLAS_CORETYPE OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
			$(BIN)/python tests/benchmarks/$$what.py || exit 1; \
	done

# every figure on one sheet
figures: $(SETUP)
	$(BIN)/python examples/figures.py --output docs/figures.png

$(SETUP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt --config-settings editable_mode=compat -e '.[dev]'
	touch $@

clean:
	rm -rf build dist *.egg-info demo .pytest_cache .mypy_cache .ruff_cache
