# Two commands for a fresh machine: `make run` and `make test`. Both set up what they need in .venv.
# The verbs of daily work: setup, test, test-long, soak, bounds, check, bench, docs (see CONTRIBUTING.md).

BIN := .venv/bin
.DEFAULT_GOAL := help
# Hundreds of processes start in the tests: none of them shall compile all of our modules anew.
export PYTHONDONTWRITEBYTECODE :=
.PHONY: help run setup test test-long soak bounds check bench docs

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 17

run: ## Set up and replay a synthetic session through both example strategies
	@.ci/setup run
	$(BIN)/tapewire run

setup: ## Make .venv with everything development needs
	@.ci/setup dev

test: check ## Set up, then lint, types and the whole test suite
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: setup ## Tests that are longer than is worth on every run: thousands of seeds, whole benches
	$(BIN)/python -m pytest -n auto --dist worksteal -m "long and not soak" $(ARGS)

soak: setup ## What takes hours: kills, full disks, hostile peers; make soak ARGS="--soak-scale 0.01"
	$(BIN)/python -m pytest -s -m soak $(ARGS)

bounds: setup ## The suite with bounds checks in every kernel, on one core; make bounds ARGS=tests/truth
	NUMBA_BOUNDSCHECK=1 nice $(BIN)/python -m pytest --timeout 600 $(ARGS)

check: setup ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup ## Every figure of this machine, about ten minutes; make bench ARGS=--quick
	$(BIN)/tapewire bench $(ARGS)

docs: setup ## Run every command and snippet of the documentation
	$(BIN)/python -m pytest -q -m "not soak" tests/unit/test_docs.py tests/system/test_run_docs.py
