# Two commands: `make demo` trains on real images with every optimizer, `make test` passes the tests.
# `make capi` builds the C library and its examples in build/; `make capi PREFIX=/usr/local install` installs it.
# `make cuda` builds the C library for NVIDIA's GPUs beside it.
# `make bench` measures everything and writes a report to bench/results; `make bench QUICK=1` in two minutes.
# Each sets up everything it needs in .venv and does so quickly the second time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PREFIX ?= /usr/local

# An editable install has Python's files in place, but what is compiled from them must be compiled anew.
SOURCES := pyproject.toml setup.py $(wildcard numoptim/aot/*.* numoptim/kernels/*.py numoptim/rules/*.py) \
	$(wildcard numoptim/cuda/launcher.*) \
	$(addprefix numoptim/,gradient.py hyperparameters.py random.py rule.py)

.PHONY: demo test test-capi test-cuda test-aarch64 lint capi cuda install bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/numoptim demo

test: $(VENV)/test.stamp lint
	$(BIN)/pytest -n 2 --dist loadfile -m "not long" --ignore tests/cuda

test-capi: $(VENV)/test.stamp
	$(BIN)/pytest -n 2 --dist loadfile tests/capi

test-cuda: $(VENV)/cuda.stamp
	$(BIN)/pytest -n 2 --dist loadfile tests/cuda

test-aarch64: $(VENV)/test.stamp
	$(BIN)/pytest -rs tests/capi/test_aarch64.py

capi: $(VENV)/demo.stamp
	$(BIN)/python -m numoptim.aot build
	cp build/include/numoptim.h capi/
	PKG_CONFIG_PATH=$(CURDIR)/build/lib/pkgconfig $(MAKE) -C capi/examples OUT=$(CURDIR)/build/examples

cuda: $(VENV)/cuda.stamp
	$(BIN)/python -m numoptim.cuda build
	PKG_CONFIG_PATH=$(CURDIR)/build/lib/pkgconfig $(MAKE) -C capi/examples OUT=$(CURDIR)/build/examples

install:
	install -d $(DESTDIR)$(PREFIX)
	cp -R build/include build/lib $(DESTDIR)$(PREFIX)

bench: $(VENV)/demo.stamp
	$(BIN)/numoptim bench $(if $(QUICK),--quick)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

# Not every Python can put pip into a new environment (Debian splits that off), so the pip at hand fills it.
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("numoptim needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/demo.stamp: $(SOURCES) | $(BIN)/python
	$(PIP) install --editable '.[demo]'
	touch $@

$(VENV)/test.stamp: $(SOURCES) | $(BIN)/python
	$(PIP) install --editable '.[test]'
	touch $@ $(VENV)/demo.stamp

$(VENV)/cuda.stamp: $(VENV)/test.stamp
	$(PIP) install --editable '.[test,cuda]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info numoptim/_native.* numoptim/lib numoptim/include
