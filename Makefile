# make install   set up .venv (once)
# make demo      the whole job on data that needs no download
# make test      the tests;  make test-slow  those that take minutes
# make coverage  the tests, and which lines of the package they run
# make lint      check style and types;  make format  fix most of the style
# make docs      write tables and metafiles, build the site in docs/_build/html
# make wheel     build the wheel into dist/;  make test-wheel  try it outside
#
# .venv keeps these settings, so that they are given once:
# PYTHON=  the interpreter that .venv is made with
# TORCH=   another torch, as pip arguments: "torch==2.11.0 --index-url URL"
# STACK=   openmmlab (default) or onedl, the maintained forks
# CONSTRAINTS=  a file with versions: requirements/lowest.txt for the lowest

VENV ?= .venv
RUN = $(VENV)/bin/python
TORCH ?=
STACK ?=
CONSTRAINTS ?=
PYTHON ?= $(shell command -v "$(RUN)" || command -v python3.11 || command -v python3)
SETTINGS = $(if $(TORCH),--torch "$(TORCH)") $(if $(STACK),--stack "$(STACK)") \
	$(if $(CONSTRAINTS),--constraints "$(CONSTRAINTS)")

.PHONY: install docs-tools demo test test-slow coverage lint format docs wheel test-wheel

install:
	@test -n "$(PYTHON)" || { echo "No Python was found: install Python 3.11 or name one with PYTHON=" >&2; exit 1; }
	@command -v "$(PYTHON)" >/dev/null || { echo "PYTHON=$(PYTHON) is not a program" >&2; exit 1; }
	@"$(PYTHON)" tools/setup_env.py --venv "$(VENV)" $(SETTINGS)

demo: install
	$(RUN) -m mmsoco demo

# Files are dealt out whole: tests of a file share fixtures that take seconds.
test: install
	$(RUN) -m pytest -m "not slow" --numprocesses 2 --dist loadfile

test-slow: docs-tools
	$(RUN) -m pytest -m slow

coverage: install
	$(RUN) -m pytest -m "not slow" --numprocesses 2 --dist loadfile --cov

lint: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: install
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

# What the site and its notebooks need, where it is missing.
docs-tools: install
	@$(RUN) -c "import furo, myst_nb, nbclient, sphinx_copybutton, sphinx_design" 2>/dev/null || \
		$(RUN) -m pip install --quiet --no-build-isolation --editable ".[docs]" --config-settings editable_mode=compat --constraint "$(or $(CONSTRAINTS),requirements/constraints.txt)"

docs: docs-tools
	rm -rf docs/generated
	$(RUN) docs/make_tables.py
	$(RUN) -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html

wheel: install
	$(RUN) -m pip wheel --no-deps --no-build-isolation -w dist .

test-wheel: install
	$(RUN) -m pytest -m slow tests/test_wheel.py
