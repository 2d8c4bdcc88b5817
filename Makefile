# Each target installs what it needs into .venv. Requirements: make and Python 3.11 or newer.
#
#   PYTHON=…   Python to create .venv with (default: the first of python3, python3.13, … that is new enough)
#   TORCH=1    also install PyTorch and torchdata and run the tests that need them
#   RAY=1      also install Ray and run the tests that need it
#   BROWSER=1  also install Playwright and run the tests of pages, in Debian's Chromium or the one that CHROMIUM names
#   SCREENSHOTS=… folder of the pictures of `make screenshots`
#   EXAMPLES=… the files in examples/ that `make examples` runs; all by default
#   PUBLISH=1  write the tables and charts of `make bench` into docs/performance
#   MEMORY=1   `make bench` also measures what the processes hold in memory (minutes)
#   PEERS=1    `make bench` also measures other data loaders, from an environment of their own (10 minutes)
#   INPUTS=…   number of inputs of `make fuzz`; SEED=… chooses them
#   STEPS=…, FAULTS=…   least steps and faults of `make chaos`; SEED=… chooses the faults
#   SERVERS=3  number of servers in `make chaos` (1 or 3); of three, any two come to harm at a time
#   MINUTES=…  length of `make soak`; below 5 it may take a cache that fills for growth
#   JOBS=3     number of processes that run tests; more than CPUs, because many tests wait for a server to start

PYTHON ?=
TORCH ?=
RAY ?=
BROWSER ?=
SCREENSHOTS ?= screenshots
EXAMPLES ?=
PUBLISH ?=
MEMORY ?=
PEERS ?=
JOBS ?= 3
INPUTS ?= 100000
STEPS ?= 10000
SERVERS ?= 1
FAULTS ?= 200
MINUTES ?= 10
SEED ?=
# Ignore HOST and PORT of the environment: they are often set for other programs.
HOST = 127.0.0.1
PORT = 8000

VENV := .venv
BIN := $(VENV)/bin
# --quiet twice hides warnings about the machine's pip configuration but shows errors.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
READY := $(VENV)/.ready
READY_TORCH := $(VENV)/.ready-torch
READY_RAY := $(VENV)/.ready-ray
READY_BROWSER := $(VENV)/.ready-browser
# Only 1 counts, because desktops set BROWSER to the name of a program.
SETUP := $(READY) $(if $(TORCH),$(READY_TORCH)) $(if $(RAY),$(READY_RAY)) $(if $(filter 1,$(BROWSER)),$(READY_BROWSER))

# Other data loaders have their own environment, so that .venv stays small and their dependencies cannot change it.
PEERS_VENV := .venv-peers
PEERS_BIN := $(PEERS_VENV)/bin
PEERS_PIP := $(PEERS_BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input
PEERS_LIST := benchmarks/peers/requirements.txt
READY_PEERS := $(PEERS_VENV)/.ready
BENCH := $(READY) $(if $(PEERS),$(READY_PEERS))

# A release with a CPU-only wheel for the machines that run the tests; others pull in gigabytes of GPU libraries.
TORCH_RELEASE := 2.13.0

# requirements.lock has the versions of all packages. The files in requirements/ also have the hashes of what is installed
# here and in the container image. PyTorch has none, because each index has other builds of the same version.
COMPILE_LOCK = $(BIN)/uv pip compile --quiet --system-certs --universal --upgrade --python-version 3.11 --no-header \
	--no-annotate --no-emit-index-url
COMPILE_HASHES = $(COMPILE_LOCK) --constraints requirements.lock --generate-hashes

# Compile the kernels into the cache once, so that no worker or test process has to.
COMPILE := $(BIN)/python -c "from sampler.kernels.compiled.kernels import warm_up; warm_up()"

export PIP_ROOT_USER_ACTION := ignore
# Tests start hundreds of Python processes; each would compile every module again without bytecode files.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo serve examples bench fuzz chaos soak screenshots docs dist test coverage check lint format lock audit clean

help: ## List the targets
	@echo "Usage: make TARGET"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Start a server, fetch and show batches, stop the server (first run: about a minute)
	@$(BIN)/python -m saccade_sampler demo --out demo-output

serve: $(READY) ## Serve batches on http://127.0.0.1:8000 (HOST=…, PORT=…); configure with SAMPLER_… variables
	@$(BIN)/python -m saccade_sampler serve --host $(HOST) --port $(PORT)

examples: $(SETUP) ## Run the scripts in examples/ on the CPU, with a server (TORCH=1, RAY=1: install what they need first)
	@$(COMPILE)
	@$(BIN)/python -m tests.examples $(EXAMPLES)

bench: $(BENCH) ## Compare the speed of each part with its limit (5 minutes); status 1 if one misses its bound
	@$(BIN)/python -m benchmarks $(if $(PUBLISH),--publish); status=$$?; \
	$(BIN)/python -m benchmarks.growth $(if $(PUBLISH),--publish) || status=$$?; \
	$(if $(MEMORY),$(BIN)/python -m benchmarks.memory $(if $(PUBLISH),--publish) || status=$$?;) \
	$(if $(PEERS),$(PEERS_BIN)/python -m benchmarks.peers $(if $(PUBLISH),--publish) || status=$$?;) \
	exit $$status

fuzz: $(READY) ## Read 100,000 damaged inputs (INPUTS=…, SEED=…) and send odd requests; status 1 if any is not handled
	@$(COMPILE)
	@status=0; $(BIN)/python -m tests.fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED)) || status=$$?; \
	$(BIN)/python -m tests.fuzz.http $(if $(SEED),--seed $(SEED)) || status=$$?; \
	exit $$status

chaos: $(READY) ## Train 10,000 steps with 200 faults (STEPS=…, FAULTS=…, SEED=…); status 1 if a batch is lost or wrong
	@$(COMPILE)
	@$(BIN)/python -m tests.chaos --servers $(SERVERS) --steps $(STEPS) --faults $(FAULTS) $(if $(SEED),--seed $(SEED))

soak: $(READY) ## Run server, clients and trainers for 10 minutes (MINUTES=…); status 1 if what they hold grows
	@$(COMPILE)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES)

screenshots: $(READY) $(READY_BROWSER) ## Take pictures of every page: desktop and phone, light and dark (SCREENSHOTS=…)
	@SCREENSHOTS='$(SCREENSHOTS)' $(BIN)/python -m pytest -q -n 0 tests/browser/test_every_page.py
	@echo "open $(SCREENSHOTS)/"

docs: $(READY) ## Build the documentation into site/
	@$(BIN)/zensical build --strict
	@echo "open site/index.html"

dist: $(READY) ## Build wheel and sdist into dist/, check them, install the wheel and run the demo with it (minutes)
	@$(BIN)/python -m tests.release

test: lint ## Run all checks: lint, types, tests (TORCH=1, RAY=1, BROWSER=1: also those with them)
	@echo "pytest"
	@$(COMPILE)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

coverage: $(SETUP) ## Run all tests and measure branch coverage, which makes them slower; status 1 below 90 %
	@echo "pytest, with branch coverage"
	@$(COMPILE)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --cov --cov-report=term

check: lint ## Run the quick checks: lint, types, and the tests that start no process (about a minute)
	@echo "pytest, without tests that start processes"
	@$(COMPILE)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not processes"

lint: $(SETUP) ## Check style and types
	@echo "ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "ruff format --check"
	@$(BIN)/ruff format --quiet --check .
	@echo "mypy --strict"
	@$(BIN)/mypy --no-error-summary

format: $(READY) ## Format the code and apply automatic fixes
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

lock: $(BIN)/pip ## Update the versions in requirements.lock and the hashes in requirements/
	@$(PIP) install uv
	@echo 'torch==$(TORCH_RELEASE)' | $(COMPILE_LOCK) --all-extras --group build --constraints - \
		--output-file requirements.lock pyproject.toml
	@$(COMPILE_HASHES) --extra server --extra cloud --output-file requirements/server.lock pyproject.toml
	@$(COMPILE_HASHES) --extra dev --output-file requirements/dev.lock pyproject.toml
	@$(COMPILE_HASHES) --group build --output-file requirements/build.lock
	@echo "requirements.lock holds $$(wc -l < requirements.lock | tr -d ' ') packages"

audit: $(BIN)/pip ## Look up known vulnerabilities of all locked packages; status 1 if there are any or it is unknown
	@$(PIP) install --no-deps --require-hashes --requirement requirements/build.lock
	@PIP_AUDIT_LOGLEVEL=ERROR $(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		--requirement requirements.lock || { \
		echo "The audit did not pass: a locked package has a known vulnerability, or could not be looked up because" \
			"the vulnerability service was not reached. The lines above say which." >&2; \
		exit 1; \
	}

clean: ## Remove .venv, caches and everything that was built
	@rm -rf $(VENV) $(PEERS_VENV) demo-output screenshots site .cache build dist *.egg-info .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache
	@find saccade_sampler sampler service client tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

setup: $(SETUP) ## Create .venv and install everything (the other targets do this when needed)

# pip checks hashes of files only, so the project itself is installed after its dependencies, and built with them.
$(READY): pyproject.toml requirements/dev.lock | $(BIN)/pip
	@echo "installing saccade-sampler and its dependencies into $(VENV) (once; about a minute)"
	@$(PIP) install --no-deps --require-hashes --requirement requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

$(READY_TORCH): $(READY) requirements.lock
	@echo "installing PyTorch and what is made for it into $(VENV) (once; a few minutes)"
	@$(PIP) install --constraint requirements.lock torch torchdata lightning accelerate
	@touch $@

$(READY_RAY): $(READY) requirements.lock
	@echo "installing Ray into $(VENV) (once; a few minutes)"
	@$(PIP) install --constraint requirements.lock --no-build-isolation --editable '.[ray]'
	@touch $@

$(READY_BROWSER): $(READY) requirements.lock
	@echo "installing Playwright into $(VENV) (once)"
	@$(PIP) install --constraint requirements.lock --no-build-isolation --editable '.[browser]'
	@touch $@

# Each package by itself: one that cannot be installed leaves out its rows, not those of the others. The next run of
# `make bench PEERS=1` tries it again.
$(READY_PEERS): pyproject.toml requirements.lock $(PEERS_LIST) | $(PEERS_BIN)/pip
	@echo "installing other data loaders into $(PEERS_VENV) (once; a few minutes)"
	@$(PEERS_PIP) install --constraint requirements.lock --editable '.[server]' matplotlib psutil
	@missing=; for package in $$(cat $(PEERS_LIST)); do \
		$(PEERS_PIP) install --constraint requirements.lock "$$package" || missing="$$missing $$package"; \
	done; \
	if [ "$$missing" ]; then echo "not installed, their rows will be missing:$$missing" >&2; else touch $@; fi

$(PEERS_BIN)/pip: | $(READY)
	@$(BIN)/python -m venv $(PEERS_VENV)

$(BIN)/pip:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "creating $(VENV) with $$("$$python" --version)"; \
		exec "$$python" -m venv $(VENV); \
	done; \
	echo "Python 3.11 or newer is required; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>/dev/null || echo missing)." \
		"Choose another with make PYTHON=/path/to/python3.12" >&2; \
	exit 1
