# Each target makes its own environment; nothing has to be installed first but Python 3.11, git and a C compiler.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
NPM := $(shell command -v npm 2>/dev/null)
ARGS ?=
# Many tests wait for a chain or a process: two at a time take half as long.
WORKERS ?= 2

.PHONY: help demo browser test test-unit test-contracts test-all lint types imports artifacts check-artifacts machines arm64 prove differential analyse fuzz sanitize bench format clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml setup.py $(wildcard infernet/backend/native/*.[ch])
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

contracts/node_modules/.ready: contracts/package.json
	cd contracts && npm ci --silent --no-audit --no-fund
	@touch $@

demo: $(READY) ## Run an honest and a false task to their verdicts (ARGS="--model NAME --input PICTURE")
	@$(BIN)/infernet demo $(ARGS)

browser: ## Install the browser that tests drive the pages with (as root, on Debian)
	@if command -v chromium chromium-browser google-chrome >/dev/null; then echo "a browser is installed"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install --yes -qq --no-install-recommends chromium >/dev/null; \
	else echo "no browser, so its tests will be skipped; install chromium: sudo apt-get install chromium"; fi

test: test-unit test-contracts ## Run all tests

test-unit: $(READY) ## Run the Python tests (npm brings anvil; without it those that need it are skipped)
ifdef NPM
	@$(MAKE) --no-print-directory contracts/node_modules/.ready
endif
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile $(ARGS)

test-contracts: $(READY) ## Run the Solidity tests (needs npm)
ifdef NPM
	@$(MAKE) --no-print-directory contracts/node_modules/.ready
	cd contracts && ./forge test && ./forge snapshot --check --match-contract GameGasTest
else
	@echo "left out: contract tests (forge test, artifact check, gas snapshot), because npm is not installed"
endif

test-all: $(READY) .venv/.fuzz ## Run the long tests too (nightly)
	$(BIN)/python -m pytest $(ARGS)
	@$(MAKE) --no-print-directory differential ARGS=
	$(BIN)/python -m tests.game.adversary --count 200000
	$(BIN)/python -m tests.fuzz --seconds 60
	@FOUNDRY_INVARIANT_RUNS=2000 $(MAKE) --no-print-directory test-contracts

lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types, strictly
	$(BIN)/mypy

imports: $(READY) ## Check that data flows one way
	$(BIN)/lint-imports

artifacts: $(READY) contracts/node_modules/.ready ## Compile the contracts into the package
	$(BIN)/python contracts/build.py

check-artifacts: $(READY) ## Check that the shipped bytecode is what the sources compile to (needs npm)
ifdef NPM
	@$(MAKE) --no-print-directory contracts/node_modules/.ready
	$(BIN)/python contracts/build.py --check
else
	@echo "left out: artifact check, because npm is not installed"
endif

machines: $(READY) ## Compare digests at every place that this machine can be (ARGS="PLACE …"; minutes)
	$(BIN)/python -m tests.machines $(ARGS)

arm64: $(READY) ## Emulate an arm64: its digests and the kernels' tests (as root, on Debian; long)
	$(BIN)/python -m tests.machines.arm64
	$(BIN)/python -m tests.machines arm64-emulated arm64-emulated-cortex-a72
	$(BIN)/python -m tests.machines.kernels

prove: $(READY) contracts/node_modules/.ready ## Prove the contracts' arithmetic (ARGS="NAME …" for some theorems; minutes)
	$(BIN)/python -m tests.formal $(ARGS)

differential: $(READY) ## Execute 1,000,000 instructions in Python and in Solidity (ARGS="--seed 37 --parts 1")
	$(BIN)/python -m tests.twin.differential $(ARGS)

# Slither is under the AGPL and brings much along: an environment of its own.
.venv-analysis/.ready: pyproject.toml
	@test -x .venv-analysis/bin/python || $(PYTHON) -m venv .venv-analysis
	.venv-analysis/bin/python -m pip install --quiet --disable-pip-version-check 'slither-analyzer>=0.11.6,<0.12'
	@touch $@

analyse: .venv-analysis/.ready ## Compare what Slither finds in the contracts with what was judged (needs npm)
ifdef NPM
	@$(MAKE) --no-print-directory contracts/node_modules/.ready
	.venv-analysis/bin/python contracts/analyse.py
else
	@echo "left out: analysis of the contracts, because npm is not installed"
endif

# The engine comes for Linux on x86-64 alone, and nothing else needs it.
.venv/.fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=3,<4'
	@touch $@

fuzz: .venv/.fuzz ## Give decoders hostile bytes, guided by coverage (ARGS="NAME … --seconds N")
	$(BIN)/python -m tests.fuzz $(ARGS)

sanitize: $(READY) ## Run tests on the compiled kernels under AddressSanitizer and UBSan (ARGS: pytest's; long)
	$(BIN)/python -m tests.sanitize $(ARGS)

bench: $(READY) ## Print our figures beside the others', from one run (minutes)
	$(BIN)/python -m benchmarks $(ARGS)

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

clean: ## Remove what was made here
	rm -rf .venv .venv-analysis .arm64 build dist *.egg-info contracts/node_modules contracts/out contracts/cache
