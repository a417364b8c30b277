# Needs nothing but make and Python >= 3.10 with venv. Another interpreter: make test PYTHON=python3.12
# Arguments for pytest: make test ARGS="tests/test_server.py -k stuck"; in one process: JOBS=0

PYTHON ?= python3
ARGS ?=
JOBS ?= 2

# One folder an interpreter, so that none reuses another's packages.
TAG := $(shell $(PYTHON) -c 'import sys; print(sys.implementation.cache_tag)')
ifeq ($(TAG),)
$(error $(PYTHON) does not run; choose an interpreter with PYTHON=...)
endif
VENVS := .venv/$(TAG)
DEV := $(VENVS)/dev
DEMO := $(VENVS)/demo
OLDEST := $(VENVS)/oldest

.PHONY: venv test test-oldest test-rq chaos check format coverage demo dist clean

venv: $(DEV)/ready

test: $(DEV)/ready
	$(DEV)/bin/python -m pytest -n $(JOBS) $(ARGS)

# The same tests with the oldest RQ, redis-py and cloudpickle that setup.cfg allows.
test-oldest: $(OLDEST)/ready
	$(OLDEST)/bin/python -m pytest -n $(JOBS) $(ARGS)

# RQ's own tests with our workers in the place of RQ's; stock ones with ARGS="--classes stock".
test-rq: $(DEV)/ready
	$(DEV)/bin/python tests/rq/run.py $(ARGS)

# Workers, server and jobs at the mercy of a gremlin: make chaos SECONDS=600 SEED=7
chaos: $(DEV)/ready
	$(DEV)/bin/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

check: $(DEV)/ready
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy rq_steps tests examples
	$(DEV)/bin/lint-imports --config setup.cfg

format: $(DEV)/ready
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

coverage: $(DEV)/ready
	$(DEV)/bin/coverage erase
	$(DEV)/bin/coverage run -m pytest $(ARGS)
	$(DEV)/bin/coverage combine --quiet
	$(DEV)/bin/coverage report

demo: $(DEMO)/ready
	$(DEMO)/bin/python -m examples.csv_import.demo

dist: $(DEV)/ready
	$(DEV)/bin/python -m build --outdir dist .

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The file `ready` is written last, so that an environment that was left half-made is made anew.
$(DEV)/ready: INSTALL = --editable '.[test,lint]'
$(DEMO)/ready: INSTALL = --editable '.[demo]'
$(OLDEST)/ready: INSTALL = --editable '.[test]' rq==2.8.0 redis==5.0.0 cloudpickle==2.2.1
$(VENVS)/%/ready: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "rq-steps needs Python 3.10 or newer")'
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(INSTALL)
	touch $@
