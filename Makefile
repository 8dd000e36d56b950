# `make run` and `make test` need only make and Python 3.11 or 3.12. Everything else is below.
#
# make run PORT=8001 ARGS=--no-demo     make test ARGS="tests/unit -x"     make run PYTHON=/opt/python3.12

VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
LOCK := $(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header --extra embedded

# A virtual environment whose Python has gone (an upgrade, a copied checkout) is made anew.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
MISSING := $(if $(shell $(PY) -c "import pip; $(SUITS)" 2>/dev/null && echo found),,missing)

.DEFAULT_GOAL := help
.PHONY: run test check bench format lint types docs assets lock install clean help missing

run: $(VENV)/.installed  ## start everything; Ctrl-C ends it
	@$(PY) manage.py up $(ARGS)

test: $(VENV)/.installed-dev  ## run the tests against servers of their own
	@$(PY) -m pytest $(ARGS)

check: $(VENV)/.installed-dev  ## what CI checks besides the tests
	@$(PY) -m ruff format --check .
	@$(MAKE) --no-print-directory lint types docs
	@$(VENV)/bin/lint-imports
	@$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@KEYSTONE_URL=https://keystone.example $(PY) manage.py check --deploy --fail-level WARNING

bench: $(VENV)/.installed-dev  ## measure the real server on this machine
	@$(PY) -m tests.bench $(ARGS)

format: $(VENV)/.installed-dev  ## put the code into its shape
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

lint: $(VENV)/.installed-dev  ## look for mistakes
	@$(PY) -m ruff check .
	@$(VENV)/bin/typos

types: $(VENV)/.installed-dev  ## check the types
	@$(PY) -m mypy .

docs: $(VENV)/.installed-dev  ## check that the documents tell the truth
	@$(PY) -m pytest tests/test_docs.py

assets:  ## bundle the front end
	@echo "There is nothing to bundle yet: the admin brings its own assets."

lock: $(VENV)/.installed-dev  ## resolve pyproject.toml into the two lock files
	@$(LOCK) --output-file requirements.lock
	@$(LOCK) --extra dev --output-file requirements-dev.lock

install: $(VENV)/.installed  ## install what `run` needs into .venv

clean:  ## remove what can be made again; var/, your data, stays
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## say what there is
	@sed -n "s/^\([a-z]*\):.*  ## /  make \1	/p" $(MAKEFILE_LIST) | expand -t 16

# The stamps: a second time is instant. The development lock contains the other one.
$(VENV)/.installed: requirements.lock pyproject.toml $(MISSING)
	@$(virtual_environment)
	@echo "Installing what requirements.lock names into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml $(MISSING)
	@$(virtual_environment)
	@echo "Installing what requirements-dev.lock names into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.installed

missing: ;

define virtual_environment
test -z "$(MISSING)" && exit 0; \
for python in $(PYTHON) python3.12 python3.11 python3; do \
	$$python -c "$(SUITS)" 2>/dev/null || continue; \
	$$python -c "import venv, ensurepip" 2>/dev/null || { bare=$$python; continue; }; \
	exec $$python -m venv --clear $(VENV); \
done; \
if [ "$$bare" ]; then echo "$$bare has no venv module: install it (Debian, Ubuntu: apt install python3-venv)." >&2; \
else echo "Keystone needs Python 3.11 or 3.12; there is none on the PATH (or name one: make run PYTHON=…)." >&2; fi; \
exit 1
endef
