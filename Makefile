# Two commands: `make demo` trains on real images with every optimizer, `make test` passes the tests.
# `make capi` builds the C library in build/capi and its examples in build/examples; `make cuda` the one for NVIDIA's GPUs
# beside it; then `make PREFIX=/usr/local install` installs what was built.
# `make wheel` builds a wheel for every Linux like this one in dist/, and tries it where there is no compiler.
# `make bench` measures everything and writes a report to bench/results; `make bench QUICK=1` in two minutes.
# Each sets up everything it needs in .venv and does so quickly the second time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PREFIX ?= /usr/local
export PREFIX DESTDIR                 # the environment keeps spaces and quotes

# The C library, apart from what setuptools puts into build/.
CAPI := build/capi
EXAMPLES := PKG_CONFIG_PATH="$(CURDIR)/$(CAPI)/lib/pkgconfig" $(MAKE) -C capi/examples OUT=../../build/examples

# An editable install has Python's files in place, but what is compiled from them must be compiled anew.
SOURCES := pyproject.toml setup.py numoptim/__init__.py $(wildcard numoptim/aot/*.* numoptim/kernels/*.py numoptim/rules/*.py) \
	$(wildcard numoptim/rule/*.py numoptim/cuda/launcher.*)

.PHONY: demo test test-capi test-cuda test-aarch64 lint stubs capi cuda install wheel bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/numoptim demo

test: $(VENV)/test.stamp lint
	$(BIN)/pytest -n 2 --dist loadfile -m "not long" --ignore tests/cuda --ignore tests/ptx

test-capi: $(VENV)/test.stamp
	$(BIN)/pytest -n 2 --dist loadfile tests/capi

test-cuda: $(VENV)/cuda.stamp
	$(BIN)/pytest -n 2 --dist loadfile tests/cuda tests/ptx

test-aarch64: $(VENV)/test.stamp
	$(BIN)/pytest -rs tests/capi/test_aarch64.py

capi: $(VENV)/demo.stamp
	rm -rf $(CAPI)
	$(BIN)/python -m numoptim.aot $(CAPI)
	cp $(CAPI)/include/numoptim.h capi/
	$(EXAMPLES)

cuda: $(VENV)/cuda.stamp
	rm -rf $(CAPI)
	$(BIN)/python -m numoptim.cuda $(CAPI)
	$(EXAMPLES)

install:
	@sh capi/install.sh

# For every Linux with glibc 2.17, which auditwheel checks; tried where there is no compiler before it gets into dist/.
wheel: $(VENV)/release.stamp
	rm -rf build/wheel
	$(PIP) wheel --no-deps --wheel-dir build/wheel .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m auditwheel repair --plat manylinux_2_17_$$(uname -m) \
		--wheel-dir build/wheel/repaired build/wheel/*.whl
	$(PYTHON) -m venv --without-pip build/wheel/fresh
	$(FILL) build/wheel/fresh/bin/python install build/wheel/repaired/*.whl
	env -i PATH="$(CURDIR)/build/wheel/fresh/bin" python -I .ci/try_wheel.py
	mkdir -p dist
	cp build/wheel/repaired/*.whl dist

bench: $(VENV)/demo.stamp
	$(BIN)/numoptim bench $(if $(QUICK),--quick)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy numoptim/optimizer/__init__.py      # hidden behind the .pyi beside it

stubs: $(VENV)/test.stamp
	$(BIN)/python -m numoptim.optimizer.stubs

# Not every Python can put pip into a new environment (Debian splits that off), so the pip at hand fills it.
FILL := $(PYTHON) -m pip --disable-pip-version-check --quiet --python
PIP := $(FILL) $(BIN)/python

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
	$(PIP) install --editable '.[test,cuda,cuda-jit]'
	touch $@

# The extra alone: it takes no numoptim.
$(VENV)/release.stamp: pyproject.toml | $(BIN)/python
	$(PIP) install $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["release"])')
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info numoptim/_native.* numoptim/lib numoptim/include
