# make quickstart   sets everything up and runs the main job: data to submission.csv
# make page         builds a web page without a server into site/
# make test         sets everything up, checks style and types, runs the tests
# All use their own virtual environment in .venv and do nothing twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q

.PHONY: quickstart test lint types unit notebooks page clean

quickstart: $(VENV)/.train
	$(BIN)/mien quickstart $(ARGS)

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund && npm run --silent lint; \
	else echo "no npm: the JavaScript is not checked"; fi

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# Builds the page that reads faces in the visitor's browser into site/. Its runtime comes from npm.
page: $(VENV)/.train
	$(BIN)/mien page -o site $(ARGS)

# Runs the six notebooks on the Kaggle files in data/ (or MIEN_DATA) and keeps their outputs.
notebooks: $(VENV)/.dev
	$(BIN)/python notebooks/execute.py

# torch goes in first, alone: asked for by another package, pip would take its newest build with several GB of CUDA.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("mien needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $$(grep '^torch==' constraints.txt)
	touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e '.[train,serve,trackio,dev]'
	touch $@ $(VENV)/.train

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
