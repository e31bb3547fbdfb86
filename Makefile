# Two commands: `make demo` trains on real images with every optimizer, `make test` passes the tests.
# Each sets up everything it needs in .venv and does so quickly the second time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/numoptim demo

test: $(VENV)/test.stamp lint
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

# Not every Python can put pip into a new environment (Debian splits that off), so the pip at hand fills it.
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("numoptim needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[demo]'
	touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test]'
	touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) build dist *.egg-info
