# make journey · make test · make lab · make base · make bench · make clean
# Each target sets up its environment first. uv is used when it is there, pip otherwise.

PYTHON   ?= python3
VENV     ?= .venv
SCALE    ?= tiny
LANGUAGE ?= pt-BR
RECIPE   ?= llava-pt
NOTEBOOK ?= 00
ifneq ($(origin LANGUAGE),command line)
  LANGUAGE := pt-BR
endif
RUN      := $(VENV)/bin/python
READY    := $(VENV)/.ready
# Share of rows, steps and questions with which the tests run the notebooks.
TEST_SHARE ?= 0.02

.PHONY: journey test lab base bench bench-% site clean

journey: $(READY)
	@$(RUN) -m utils journey --scale "$(SCALE)" --language "$(LANGUAGE)" --recipe "$(RECIPE)"

test: $(READY)
	$(RUN) -m pytest tests -q -p no:nbval
	rm -rf outputs/test && mkdir -p outputs/test
	OUTPUTS="$(CURDIR)/outputs/test" SHARE=$(TEST_SHARE) $(RUN) -m pytest notebooks/*.ipynb -q --nbval-lax --nbval-cell-timeout=600

lab: $(READY)
	$(RUN) -m jupyterlab notebooks/$(NOTEBOOK)*.ipynb

base: $(READY)
	$(RUN) -m utils base

bench: $(READY)
	$(RUN) -m benchmarks

bench-%: $(READY)
	$(RUN) -m benchmarks $*

# The documentation site in outputs/site, and what its accessibility test needs.
site: $(READY) $(VENV)/.docs
	@$(RUN) -m utils site

$(VENV)/.docs: requirements-docs.txt requirements-audit.txt | $(READY)
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(RUN) -r requirements-docs.txt && uv pip install --quiet --python $(RUN) --no-deps -r requirements-audit.txt; \
	else \
	  $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt && \
	  $(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-audit.txt; \
	fi
	@touch $(VENV)/.docs

clean:
	rm -rf $(VENV) outputs

$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python %d.%d is too old: this course needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
	  uv pip install --quiet --python $(RUN) $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)") -r requirements.txt; \
	else \
	  $(PYTHON) -m venv $(VENV) && $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt; \
	fi
	@touch $(READY)
