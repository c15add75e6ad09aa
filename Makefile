# Each target does all of its own set-up: nothing but make and a Python >= 3.11 has to be there.
# The virtual environments live under .venv/ and are made anew only when pyproject.toml changes.

.DEFAULT_GOAL := help
.PHONY: help demo test test-oldest gauntlet lint bench bench-quick bench-check bench-web bench-formats fuzz clean
.DELETE_ON_ERROR:
.SECONDARY:

ARGS ?=
PARALLEL := -n auto --dist worksteal
PYTHON ?=

UV := .venv/uv/bin/uv
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# The tests start hundreds of processes: none of them should have to compile what it imports.
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=

interpreter = $(patsubst $(1)=%,%,$(filter $(1)=%,$(PYTHONS)))

# "3.11=/usr/bin/python3.11 3.12=…", looked for only when a target needs one.
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
PYTHONS := $(shell .ci/pythons)
INSTALLED := $(foreach python,$(PYTHONS),$(firstword $(subst =, ,$(python))))
VERSIONS := $(or $(filter 3.%,$(PYTHON)),$(INSTALLED))
NEWEST := $(lastword $(VERSIONS))
OLDEST := $(firstword $(VERSIONS))
ifeq ($(VERSIONS),)
$(error Found no Python 3.11 or later on PATH or in pyenv; install one)
endif
ifneq ($(filter-out $(INSTALLED),$(VERSIONS)),)
$(error Python $(filter-out $(INSTALLED),$(VERSIONS)) is not installed; there is $(INSTALLED))
endif
# uv doesn't read pip's configuration: where pip has a mirror, uv is told of it.
MIRROR = $(shell $(call interpreter,$(NEWEST)) -m pip config get global.index-url 2>/dev/null)
INDEX := $(or $(UV_DEFAULT_INDEX),$(PIP_INDEX_URL),$(MIRROR))
ifneq ($(INDEX),)
export UV_DEFAULT_INDEX := $(INDEX)
endif
endif

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

demo: .venv/$(NEWEST)/ready ## Run the example shop from end to end
	.venv/$(NEWEST)/bin/python examples/shop/demo.py

test: $(VERSIONS:%=test-%) $(if $(ARGS)$(PYTHON),,test-oldest) ## Run the tests on every installed Python (PYTHON=3.12 for one, ARGS="-k name" for some)

# A whole run on the newest Python also says how much of the code it reached.
test-%: .venv/%/ready
	@echo "== Python $* =="
ifeq ($(ARGS),)
	$(if $(filter $*,$(NEWEST)),$(call covered,.venv/$*/bin/python),.venv/$*/bin/python -m pytest $(PARALLEL))
else
	.venv/$*/bin/python -m pytest $(ARGS)
endif

define covered
$(1) -m coverage erase
	$(1) -m coverage run -m pytest $(PARALLEL)
	$(1) -m coverage combine --quiet
	$(1) -m coverage report
	$(1) -m coverage report --include='*/flagstaff/core/*' --fail-under=100
endef

# The integrations with the oldest versions of the frameworks that they say they support.
test-oldest: .venv/oldest/ready
	@echo "== Python $(OLDEST), oldest dependencies =="
	.venv/oldest/bin/python -m pytest $(PARALLEL) tests/integrations $(ARGS)

gauntlet: .venv/$(NEWEST)/ready ## Try every promise against real faults and write the scorecard (ARGS=--full for more, ARGS=kill for one)
	.venv/$(NEWEST)/bin/python -m tests.gauntlet.run --out sdk/docs/scorecard.md $(ARGS)

lint: .venv/lint/ready ## Check style, types and who imports whom
	.venv/lint/bin/ruff check --output-format=concise
	.venv/lint/bin/ruff format --check
	.venv/lint/bin/mypy
	PATH="$(CURDIR)/.venv/lint/bin:$$PATH" pyright --verifytypes flagstaff --ignoreexternal
	.venv/lint/bin/lint-imports

# The benchmark runs on the oldest Python, where the interpreter's own progress helps least.
STEADY = $(firstword $(INSTALLED))
PEERS = $(shell sed 's/:.*//' tests/bench/peers.txt)
peers = $(1:%=.venv/bench-%/ready)

# Each vendor's own SDK has an environment with flagstaff in it; those that ARGS names, else all of them.
ORACLES = $(shell sed 's/:.*//' tests/fuzz/oracles.txt)
SPOKEN = $(or $(filter $(ORACLES),$(ARGS)),$(ORACLES))
oracles = $(1:%=.venv/fuzz-%/ready)

bench: $(call peers,$(PEERS)) .venv/$(STEADY)/ready ## Compare the speed with other SDKs' and write it to sdk/docs/bench
	.venv/$(STEADY)/bin/python -m tests.bench.run --out sdk/docs/bench $(ARGS)

bench-quick: $(call peers,flagstaff eppo statsig) .venv/$(STEADY)/ready ## The same with the two fastest, in a minute; writes nothing
	.venv/$(STEADY)/bin/python -m tests.bench.run --quick $(ARGS)

bench-check: $(call peers,flagstaff) .venv/$(STEADY)/ready ## Compare the speed with the last commit's (ARGS=main for another)
	.venv/$(STEADY)/bin/python -m tests.bench.check $(ARGS)

bench-formats: $(call peers,flagstaff $(SPOKEN)) .venv/$(STEADY)/ready ## Compare the speed of other vendors' rules with that of their SDKs (ARGS="unleash --out sdk/docs/bench")
	.venv/$(STEADY)/bin/python -m tests.bench.formats $(ARGS)

fuzz: $(call oracles,$(SPOKEN)) ## Compare random decisions with other vendors' own SDKs (ARGS="--vendor unleash --seed 1 --budget 100000")
	@status=0; for vendor in $(SPOKEN); do \
	    .venv/fuzz-$$vendor/bin/python -m tests.fuzz.run $(ARGS) --vendor $$vendor || status=1; \
	done; exit $$status

bench-web: .venv/$(NEWEST)/ready ## Compare requests with and without flags, in each web framework
	.venv/$(NEWEST)/bin/python -m tests.bench.middleware $(ARGS)

clean: ## Remove the virtual environments and everything that the tools left
	rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist

.venv/lint/ready: pyproject.toml | $(UV)
	$(call environment,.venv/lint,$(call interpreter,$(OLDEST)),lint)

.venv/oldest/ready: pyproject.toml | $(UV)
	$(call environment,.venv/oldest,$(call interpreter,$(OLDEST)),test,--resolution lowest-direct)

.venv/%/ready: pyproject.toml | $(UV)
	$(call environment,.venv/$*,$(call interpreter,$*),test)

define environment
$(UV) venv --quiet --clear --no-project --python $(2) $(1)
	$(UV) pip install --quiet --python $(1) $(4) --editable '.[all]' --group $(3)
	@touch $@
endef

# Each SDK has an environment of its own; one that can't be installed here is left out of the benchmark.
.venv/bench-flagstaff/ready: pyproject.toml $(shell find sdk/flagstaff -name '*.py')
.venv/bench-%/ready: tests/bench/peers.txt | $(UV)
	@$(UV) venv --quiet --clear --no-project --python $(call interpreter,$(STEADY)) .venv/bench-$*
	@$(UV) pip install --quiet --refresh-package flagstaff --python .venv/bench-$* "$$(sed -n 's/^$*: //p' tests/bench/peers.txt)" \
	    && touch $@ || { rm -rf .venv/bench-$*; echo "left out: $* can't be installed" >&2; }

# What an SDK in JavaScript needs lies in the same environment, and its program finds it by NODE_PATH.
.venv/fuzz-%/ready: tests/fuzz/oracles.txt pyproject.toml | $(UV)
	@$(UV) venv --quiet --clear --no-project --python $(call interpreter,$(STEADY)) .venv/fuzz-$*
	$(UV) pip install --quiet --python .venv/fuzz-$* --editable . $(call sdks,$*,pypi)
	$(if $(call sdks,$*,npm),npm install --silent --no-save --prefix .venv/fuzz-$* $(call sdks,$*,npm))
	@touch $@

sdks = $(call sdks-$2,$(shell sed -n "s/^$1: //p" tests/fuzz/oracles.txt | sed "s/[^ ]*/'&'/g"))
sdks-pypi = $(filter-out 'npm:%,$1)
sdks-npm = $(patsubst 'npm:%,'%,$(filter 'npm:%,$1))

# uv comes from pip, made by the first Python that can make a virtual environment.
$(UV):
	@for python in $(foreach python,$(PYTHONS),$(lastword $(subst =, ,$(python)))); do \
	    rm -rf .venv/uv; \
	    $$python -m venv .venv/uv >/dev/null && .venv/uv/bin/python -m pip install --quiet 'uv>=0.9' && exit; \
	done; \
	rm -rf .venv/uv; echo "No Python here could install uv with venv and pip." >&2; exit 1
