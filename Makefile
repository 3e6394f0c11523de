# Two commands do everything: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
export XMAS_HOME ?= $(CURDIR)/.xmas
# Modules are compiled when they are first imported, and only then: pip would compile every one it installs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test portable ui slow gpu bench study clean

demo: $(VENV)/installed
	$(BIN)/xmas demo

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pytest -n 2 --dist loadfile

# The numerical tests as on a processor without AVX-512, then as on one with nothing but SSE.
portable: $(VENV)/installed-test
	$(BIN)/python -m xmas_assets_tests.processors

slow: $(VENV)/installed-test
	$(BIN)/pytest -m slow

ui: $(VENV)/installed
	$(BIN)/xmas ui

# Where there is an NVIDIA card: the tests that need one, then what signals and training cost there (nine minutes).
gpu: $(VENV)/installed-test
	$(BIN)/pytest -m gpu
	$(BIN)/python -m benchmarks.gpu

# Hours; resumable. Draws docs/study/results.md from what is stored at its end.
study: $(VENV)/installed
	$(BIN)/python -m study run
	$(BIN)/python -m study measure
	$(BIN)/python -m study theory
	$(BIN)/python -m study features
	$(BIN)/python -m study subsets
	$(BIN)/python -m study report

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks

# Torch goes first and pinned: a plain `torch` would pull gigabytes of CUDA packages.
$(VENV)/installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable '.[ui]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) .xmas build *.egg-info
