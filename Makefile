# make quickstart   sets everything up and runs the main job: data to submission.csv
# make hashed       installs all packages by their check sums first, as the CI does
# make page         builds a web page without a server into site/
# make docs         builds the documentation site into build/docs/site
# make release      checks that this version can be published: changelog, packages, every Python that is here
# make test         sets everything up, checks style and types, runs the tests
# make test-again  runs what failed in the last run once more, alone: a busy machine is no fault of mien
# make coverage     the tests once more, with a table of the lines that they reach
# make test-notebooks  runs the six notebooks on drawn faces
# make test-core    the tests of what needs no torch, in an environment without it
# make dist         builds the wheel and the sdist into dist/
# All use their own virtual environment in .venv and do nothing twice.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q
# Where torch is taken from. On Linux the plain package index has a build with several GB of CUDA; for one without, give
# make TORCH_INDEX=https://download.pytorch.org/whl/cpu (or that of your CUDA: see the selector on pytorch.org).
TORCH_INDEX ?=
# After `make hashed` packages are built with the setuptools that is there, not with one fetched without a check sum.
HASHED = $(wildcard $(VENV)/.hashed)
PYTEST ?= .venv-core/bin/python -m pytest

.PHONY: quickstart hashed test test-again test-core lint types unit coverage test-notebooks notebooks page docs dist release clean

quickstart: $(VENV)/.train
	$(BIN)/mien quickstart $(ARGS)

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile
	$(BIN)/codespell
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund && npm run --silent lint; \
	else echo "no npm: the JavaScript is not checked"; fi

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not notebook" --durations 15 $(ARGS)

# Which lines the tests reach: twice the time of the tests alone.
coverage: $(VENV)/.dev
	$(MAKE) unit ARGS=--cov

# One notebook a worker: each begins a Python of its own.
test-notebooks: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m notebook tests/test_notebooks.py

test-again: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

# With PYTEST="python -m pytest" it takes that environment instead of making one.
test-core: $(if $(filter .venv-core/%,$(PYTEST)),.venv-core/.done)
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist loadfile $$(cat tests/core.txt)

.venv-core/.done: pyproject.toml constraints.txt
	test -x .venv-core/bin/python || $(PYTHON) -m venv .venv-core
	.venv-core/bin/python -m pip --disable-pip-version-check install -q -c constraints.txt -e . pytest pytest-timeout pytest-xdist hypothesis onnx
	touch $@

dist: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build -q $(if $(HASHED),--no-isolation)

# Builds the page that reads faces in the visitor's browser into site/. Its runtime comes from npm.
page: $(VENV)/.train
	$(BIN)/mien page -o site $(ARGS)

# Builds the documentation, with the page that reads faces in it.
docs: $(VENV)/.dev
	$(BIN)/python docs/build_site.py $(ARGS)

# Checks what publication needs, and changes nothing outside dist/. ARGS="--python python3.13 ..." names interpreters.
release: dist
	$(BIN)/python .ci/release.py $(ARGS)

# Runs the six notebooks on the Kaggle files in data/ (or MIEN_DATA) and keeps their outputs.
notebooks: $(VENV)/.dev
	$(BIN)/python notebooks/execute.py

# torch goes in first, alone: asked for by another package, pip would take its newest build with several GB of CUDA.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("mien needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $$(grep '^torch==' constraints.txt)
	touch $@

# All packages but torch, by their check sums (constraints-hashed.txt, which .ci/hashes.py writes anew): what the other
# targets want is then there, and they fetch nothing more.
hashed: $(VENV)/.hashed
$(VENV)/.hashed: $(VENV)/.torch constraints-hashed.txt
	$(PIP) --require-hashes --no-deps -r constraints-hashed.txt
	touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml
	$(PIP) $(if $(HASHED),--no-build-isolation) -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) $(if $(HASHED),--no-build-isolation) -c constraints.txt -e '.[train,serve,trackio,tensorboard,mlflow,heic,hub,docs,dev]'
	touch $@ $(VENV)/.train

clean:
	rm -rf $(VENV) .venv-core build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
