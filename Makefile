# coverify: the two commands of the README are `make demo` and `make test`; `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTHON313 ?= $(shell command -v python3.13)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install -qq --disable-pip-version-check
READY  := $(VENV)/.ready
DEMO   := build/demo
# From 3.12 on there is NumPy 2, whose stubs are written for the Python that it runs on; else the oldest one is held.
TYPES_OF = $(shell $(BIN)/python -c "import sys; v = sys.version_info; v > (3, 12) and print('--python-version=3.%d' % v.minor)")
C_SOURCES = $(shell find device_harness tests/device_harness -name '*.[ch]')

.DEFAULT_GOAL := help
.PHONY: help setup oracles tools demo test lint check format fuzz counts figures bench networks clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## Make the virtual environment .venv with the command .venv/bin/coverify (PYTHON=python3.12, VENV=…)
	@device_harness/tools.sh same "$(if $(filter command,$(origin PYTHON)),$(PYTHON))" $(VENV)

$(READY): pyproject.toml
	@device_harness/tools.sh venv "$(PYTHON)" $(VENV)
	@$(PIP) --editable '.[oracle,litert,solvers,cluster,tflm-headers,test,check]' \
	|| $(PIP) --editable '.[oracle,litert,solvers,cluster,test,check]' \
	|| { echo "make: the optional solvers or LiteRT cannot be installed here; their tests will be skipped"; \
	  $(PIP) --editable '.[oracle,test,check]'; }
	@touch $@

oracles: ## TFLM of August 2026 in an environment of its own, for the tests of its profile (PYTHON313=…)
	@device_harness/tools.sh venv "$(PYTHON313)" build/oracles/tflm-2026-08
	@build/oracles/tflm-2026-08/bin/python -m pip install -qq --disable-pip-version-check --no-deps \
	  tflite-micro==0.dev20260820164721 'numpy<2.3' flatbuffers

tools: ## Install the cross compiler and the emulator when they are missing
	@device_harness/tools.sh cross

demo: setup ## The whole loop on an emulated Cortex-M4, with an HTML report at the end
	@device_harness/tools.sh cross || true
	@$(BIN)/coverify demo --out $(DEMO)

test: setup ## All tests
	@device_harness/tools.sh cross || true
	@device_harness/tools.sh headers || true
	@device_harness/tools.sh ser2net || true
	@device_harness/tools.sh browser || true
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 4 --dist worksteal

lint: setup ## Format, lint, types, C warnings and sanitizers
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)
	@$(BIN)/mypy $(TYPES_OF)
	@$(MAKE) --no-print-directory -C device_harness PORT=native BUILD=$(CURDIR)/build/check SAN=1

check: lint ## The same, and the fast tests: before a commit
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow and not cross' -x -n 3 --dist worksteal

format: setup ## Format the sources
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/clang-format -i $(C_SOURCES)

fuzz: setup ## The long form of the differential tests (COVERIFY_FUZZ_CASES=…, COVERIFY_FUZZ_FILES=…)
	@COVERIFY_FUZZ_CASES=$${COVERIFY_FUZZ_CASES:-3000} $(BIN)/python -m pytest -k 'random or fuzz or mutat or brute' --ignore=tests/fuzz
	@COVERIFY_FUZZ_SESSIONS=$${COVERIFY_FUZZ_SESSIONS:-50000} $(BIN)/python -m pytest tests/device_harness/test_fuzz_session.py
	@! command -v clang >/dev/null || \
	  $(MAKE) --no-print-directory -C tests/device_harness -f fuzz.mk BUILD=$(CURDIR)/build/fuzz-session SECONDS=300
	@! device_harness/tools.sh headers || $(BIN)/python tests/fuzz/reference_kernels.py
	@$(BIN)/python tests/fuzz/files.py --files $${COVERIFY_FUZZ_FILES:-100000} --jobs $$(nproc)
	@$(BIN)/python tests/fuzz/certificates.py --mutations $${COVERIFY_FUZZ_MUTATIONS:-100000}
	@$(BIN)/python tests/fuzz/cases.py --networks $${COVERIFY_FUZZ_CASES:-3000}
	@$(BIN)/python tests/fuzz/engines.py --cases $${COVERIFY_FUZZ_CASES:-3000}
	@$(BIN)/python tests/fuzz/differential.py --cases $${COVERIFY_FUZZ_CASES:-3000} --jobs $$(nproc)

counts: setup ## Hold every operator equal to TFLM on random models and record on how many (COVERIFY_FUZZ_CASES=…)
	@$(BIN)/python tests/fuzz/counts.py --cases $${COVERIFY_FUZZ_CASES:-400}

figures: setup ## Every table and figure of the studies, repair and the cardinality engine again (hours; it goes on)
	@$(BIN)/python benchmarks/figures.py

bench: setup ## Benchmarks, as ratios against a peer in the same run
	@set -e; for f in $(filter-out benchmarks/figures.py,$(wildcard benchmarks/*.py)); do echo "== $$f"; $(BIN)/python $$f; done

networks: ## Train and convert the networks of firmware_models/networks again (Python 3.11 or 3.12, 2 GB for TensorFlow)
	@device_harness/tools.sh venv "$(PYTHON)" build/train-venv
	@build/train-venv/bin/python -m pip install -qq --disable-pip-version-check '.[train]'
	@build/train-venv/bin/python firmware_models/networks/train.py

clean: ## Remove what was built, but not the virtual environment
	rm -rf build
	@$(MAKE) --no-print-directory -C device_harness clean
