# Everything here sets itself up: Python 3.11 or newer and make are all that a machine needs.
#
#   PYTHON=…   the Python that .venv is made with (otherwise the first of python3, python3.13, … that is new enough)
#   TORCH=1    install PyTorch too, so that the tests about tensors run
#   PUBLISH=1  write the table and chart of `make bench` into docs/performance
#   JOBS=3     processes that run tests: one more than two processors, for many tests wait for a server to start

PYTHON ?=
TORCH ?=
PUBLISH ?=
JOBS ?= 3
# Not taken from the environment, where these two often mean something else.
HOST = 127.0.0.1
PORT = 8000

VENV := .venv
BIN := $(VENV)/bin
# Twice quiet: errors are shown, warnings about the machine's own pip settings are not.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
READY := $(VENV)/.ready
READY_TORCH := $(VENV)/.ready-torch
SETUP := $(if $(TORCH),$(READY_TORCH),$(READY))

# The release that has a wheel for the CPU where the tests run; the others come with gigabytes for GPUs.
TORCH_RELEASE := 2.13.0

# So that no worker has to compile its loops over pixels.
COMPILE := $(BIN)/python -c "from sampler.kernels.compiled.crop import warm_up; warm_up()"

export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo serve bench docs test lint format lock clean

help: ## Show what can be made
	@echo "make …"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Start a server, fetch batches from it, look at them, stop it (a minute at first, then seconds)
	@$(BIN)/python -m client tour --out demo-output

serve: $(READY) ## Serve batches on http://127.0.0.1:8000 until Ctrl-C; SAMPLER_… variables say what (PORT=…, HOST=…)
	@$(BIN)/python -m uvicorn service.main:app --host $(HOST) --port $(PORT)

bench: $(READY) ## Measure each part beside its own limit, in one table and picture (minutes; status 1 when one misses its bound)
	@$(BIN)/python -m benchmarks $(if $(PUBLISH),--publish)

docs: $(READY) ## Build the documentation into site/
	@$(BIN)/zensical build --strict

test: lint ## All checks: lint, types, tests, coverage (TORCH=1 for the tests about tensors)
	@echo "tests, with branch coverage"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --cov --cov-branch --cov-report=term

lint: $(SETUP) ## Style and types only
	@echo "ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "ruff format --check"
	@$(BIN)/ruff format --quiet --check .
	@echo "mypy --strict"
	@$(BIN)/mypy --no-error-summary

format: $(READY) ## Format the code, and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

lock: $(BIN)/pip ## Choose the versions in requirements.lock anew
	@$(PIP) install uv
	@echo 'torch==$(TORCH_RELEASE)' | $(BIN)/uv pip compile --quiet --system-certs --universal --upgrade --python-version 3.11 \
		--all-extras --constraints - --no-header --no-annotate --no-emit-index-url --output-file requirements.lock \
		pyproject.toml
	@echo "requirements.lock holds $$(wc -l < requirements.lock | tr -d ' ') packages"

clean: ## Remove all that was made here: .venv, demo-output, caches
	@rm -rf $(VENV) demo-output site .cache build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache \
		.ruff_cache
	@find saccade_sampler sampler service client tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

setup: $(SETUP) ## Make .venv and install everything into it; the others do it by themselves

$(READY): pyproject.toml requirements.lock | $(BIN)/pip
	@echo "installing saccade-sampler and what it needs into $(VENV) (once; about a minute)"
	@$(PIP) install --constraint requirements.lock --editable '.[dev]'
	@$(COMPILE)
	@touch $@

$(READY_TORCH): pyproject.toml requirements.lock | $(BIN)/pip
	@echo "installing saccade-sampler, what it needs and PyTorch into $(VENV) (once; some minutes)"
	@$(PIP) install --constraint requirements.lock --editable '.[dev,torch]'
	@$(COMPILE)
	@touch $(READY) $@

$(BIN)/pip:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "making $(VENV) with $$("$$python" --version)"; \
		exec "$$python" -m venv $(VENV); \
	done; \
	echo "Python 3.11 or newer is needed; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>/dev/null || echo missing)." \
		"Name another: make PYTHON=/path/to/python3.12" >&2; \
	exit 1
