# Two commands do everything: `make book` builds the site, `make test` re-verifies
# every claim. Both make the environment first when it is missing.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALLED := $(VENV)/.installed
NEEDS := requirements.txt constraints.txt pyproject.toml

# One thread a kernel: two workers share two cores, and a certificate must not
# depend on the number of threads.
export OMP_NUM_THREADS ?= 1
# The tree you stand in is the tree that is checked, whatever VENV points to,
# and its own kernel is used, whatever kernels the user has registered.
export PYTHONPATH := $(CURDIR)/lib
export JUPYTER_PREFER_ENV_PATH := 1

.PHONY: help install book test seeds reproduce test-site lint lint-site bench \
    teeth deep clean-notebooks clean

help:
	@echo "make book             run the notebooks, build the site in _build/html"
	@echo "make test             re-verify everything: tests, then every notebook"
	@echo "make seeds            the checks that draw, with seeds nobody chose"
	@echo "make reproduce        certificates byte for byte: threads, hashes, orders"
	@echo "make test-site        the built site in a browser (needs Chromium)"
	@echo "make lint             ruff, then the rules of the book"
	@echo "make lint-site        links, hosts, alt texts and ledger of the built site"
	@echo "make bench            the races shown on the performance page"
	@echo "make teeth            damage the book, see what notices (ONLY=, BUDGET=)"
	@echo "make deep             the chapters at larger sizes, SCHEDULER=... ONLY=..."
	@echo "make clean-notebooks  normalise the notebooks, keep marked outputs only"
	@echo "make install          only the environment"
	@echo "make clean            remove what was built (not the environment)"

install: $(INSTALLED)

book: $(INSTALLED)
	@$(PY) -m tools.build --workers $(WORKERS)

test: $(INSTALLED)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile \
	    --ignore=tests/site --ignore=tests/benchmarks tests
	THEORYLAB_ORDER=sandwich $(PY) -m pytest -n $(WORKERS) --dist loadfile \
	    --nbval-lax --nbval-current-env --nbval-cell-timeout=120 chapters

seeds: $(INSTALLED)
	$(PY) -m tools.seeds --workers $(WORKERS)

# PYTHONS="python3.12 python3.13" adds interpreters, each with the requirements.
reproduce: $(INSTALLED)
	$(PY) -m tools.reproduce $(if $(PYTHONS),--python $(PYTHONS))

test-site: $(INSTALLED)
	$(PY) -m pytest -n $(WORKERS) --dist worksteal tests/site

lint-site: $(INSTALLED)
	$(PY) -m tools.lint_book --site _build/html

lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m tools.lint_book

bench: $(INSTALLED)
	$(PY) -m tests.benchmarks.bench

# ONLY names modules or chapters, BUDGET is in seconds, SAMPLE mutants a function.
teeth: $(INSTALLED)
	$(PY) -m tools.teeth --workers $(WORKERS) $(if $(ONLY),--only '$(ONLY)') \
	    $(if $(BUDGET),--budget $(BUDGET)) $(if $(SAMPLE),--sample $(SAMPLE))

deep: $(INSTALLED)
	@$(PY) -m tools.deep --workers $(WORKERS) \
	    $(if $(SCHEDULER),--scheduler $(SCHEDULER)) $(if $(ONLY),--only $(ONLY))

clean-notebooks: $(INSTALLED)
	$(PY) -m tools.clean_notebooks chapters

clean:
	rm -rf _build

# Touching a file that says what to install is not a reason to install again;
# changing it is.
$(INSTALLED): $(NEEDS)
	@test -x $(BIN)/pip || { \
	    $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or later is needed: make PYTHON=..."; exit 1; }; \
	    $(PYTHON) -m venv $(VENV); }
	@cat $(NEEDS) | cksum | cmp -s - $@ || PYTHONPATH= $(PY) -m pip install -r requirements.txt
	@cat $(NEEDS) | cksum > $@
