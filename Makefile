# Every chore is one word. `make help` lists them. PYTHON chooses the interpreter: make test PYTHON=python3.13

PYTHON ?= python3
# Where the embedded host listens (make start, make serve), and the first of the simulator's ports (make serve).
PORT ?= 7071
SIM_PORT ?= 7081
# S0: the simulator throttles as an S0 resource does. none: it does not.
LIMITS ?= none
# How many processes run the tests; auto: as many as there are cores, four at most.
WORKERS ?= auto
# How many requests or answers of each kind `make fuzz` sends, and which ones.
FUZZ ?= 20000
FUZZ_SEED := $(or $(FUZZ_SEED),$(shell date +%s))
FUZZED := $(wildcard tests/test_fuzz*.py tests/*/test_fuzz*.py tests/*/*/test_fuzz*.py)
# A resource to take down before `make run` copies to it, such as forms-northeurope.
DOWN ?=
# The app that `make doctor` asks, and what of it; by default the one that `formsbackup` finds, and everything. RESOURCES and PLANS are lists with commas.
comma := ,
APP_URL ?=
FUNCTION_KEY ?=
RESOURCES ?=
PLANS ?=
ALL ?=
# 1: after `make run` the app runs on until Ctrl-C.
KEEP ?=
export PORT SIM_PORT LIMITS DOWN KEEP APP_URL FUNCTION_KEY RESOURCES PLANS ALL

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
# Where `make next` installs the next major version of the Durable SDK.
NEXT ?= .venv/next
# Two stages, so that a first `make run` need not wait for linters and test clients.
DEPLOYED := $(VENV)/.deployed
READY := $(VENV)/.ready
# checkov has an environment of its own: it pins what the app uses, too.
CHECKOV ?= .venv/checkov
CHECKOV_VERSION := 3.3.30
# The emulator of Table Storage that tests of the catalog run against.
AZURITE := node_modules/.ready
# Without Node.js the tests that need it are skipped, and reported as such.
WITHOUT_NODE := $(if $(and $(shell command -v node 2>/dev/null),$(shell command -v npm 2>/dev/null)),,WITHOUT_AZURITE=1)
QUIETLY := --quiet --disable-pip-version-check --no-input
INSTALL := $(BIN)/python -m pip install $(QUIETLY)
# The program that pins what is deployed, and whether it takes newer versions than requirements.txt has.
LOCKER := .venv/lock
UPGRADE ?=
# What becomes a release (make release).
TAG ?=
CODE := $(wildcard function_app.py activities backup bench catalog claims cli doctor form_recognizer http_start local orchestrator schedules tests timer_start wiring)

.DEFAULT_GOAL := help
.PHONY: help run start serve doctor test fuzz next lint templates format bench schema lock histories freeze release clean environment deployed emulator without-node python

help: ## Show this list
	@echo "make <chore> [PYTHON=python3.13]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

run: deployed ## Copy a model before your eyes, then a whole resource, then lose its region (KEEP=1: and run on; DOWN=forms-northeurope)
	@$(BIN)/python -m local.run

start: deployed ## Run the app on your own resources until Ctrl-C (backup.json, local.settings.json, PORT)
	@$(BIN)/python -m local.start

serve: deployed ## Run the app and the simulated service until Ctrl-C (PORT, SIM_PORT, LIMITS=S0)
	@$(BIN)/python -m local.serve

doctor: deployed ## Find out what is wrong with a running app and its resources (APP_URL, FUNCTION_KEY, RESOURCES, PLANS, ALL=1)
	@FORMSBACKUP_URL="$${APP_URL:-$$FORMSBACKUP_URL}" FORMSBACKUP_KEY="$${FUNCTION_KEY:-$$FORMSBACKUP_KEY}" $(BIN)/python -m cli doctor \
	  $(foreach name,$(subst $(comma), ,$(RESOURCES)),--resource '$(name)') $(foreach name,$(subst $(comma), ,$(PLANS)),--plan '$(name)') $(if $(filter 1,$(ALL)),--all)

test: environment emulator ## Run the tests
	@$(WITHOUT_NODE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --maxprocesses 4

fuzz: environment ## Send random requests and answers until one ends badly (FUZZ=20000 for each kind, FUZZ_SEED)
	@echo "FUZZ=$(FUZZ) FUZZ_SEED=$(FUZZ_SEED)"
	@FUZZ=$(FUZZ) FUZZ_SEED=$(FUZZ_SEED) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --maxprocesses 4 --hypothesis-seed=$(FUZZ_SEED) $(FUZZED)

next: ## Test with the newest azure-functions-durable, pre-releases too, in .venv/next (PYTHON=python3.13; docs/decisions/0006)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null || { \
	  echo "azure-functions-durable 2 needs Python 3.13 or later. Name one: make next PYTHON=python3.13" >&2; \
	  exit 1; }
	@$(MAKE) --no-print-directory environment VENV=$(NEXT)
	@$(NEXT)/bin/python -m pip install $(QUIETLY) --upgrade 'azure-functions-durable>=2.0.0rc3'
	@$(NEXT)/bin/python -m pip list --disable-pip-version-check 2>/dev/null | grep -E '^(azure-functions|durabletask)'
	@$(NEXT)/bin/python -m pytest -rfE tests/test_worker.py tests/orchestrator tests/http_start

lint: environment ## Check style, formatting, types and imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports --no-logo
	@command -v node >/dev/null || exit 0; for file in http_start/page/*.js; do node --check --input-type=module < $$file || exit 1; done

templates: environment $(CHECKOV)/.$(CHECKOV_VERSION) ## Check the templates of infra/ with checkov
	@CHECKOV=$(abspath $(CHECKOV)) $(BIN)/python -m pytest tests/infra/test_checkov.py

format: environment ## Format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

bench: environment ## Measure (docs/performance.md holds the numbers)
	@$(BIN)/python -m bench

schema: deployed ## Write backup.schema.json, docs/openapi.json and docs/events.schema.json from the types in the code
	@$(BIN)/python -m local.schema > backup.schema.json.new
	@mv backup.schema.json.new backup.schema.json
	@$(BIN)/python -m local.schema api > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json
	@$(BIN)/python -m local.schema events > docs/events.schema.json.new
	@mv docs/events.schema.json.new docs/events.schema.json

lock: python ## Pin what is deployed: requirements.txt from requirements.in, with hashes; newer versions with UPGRADE=1 (docs/dependencies.md)
	@test -x $(LOCKER)/bin/uv || { $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/python -m pip install $(QUIETLY) 'uv>=0.13,<1'; }
	@$(LOCKER)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  $(if $(UPGRADE),--upgrade) --output-file requirements.txt requirements.in

histories: deployed ## Record the histories of a new version of the orchestrators (defaultVersion in host.json; docs/host-json.md)
	@$(BIN)/python -m local.record_histories

freeze: deployed ## Freeze the histories of this version of the orchestrators, before a release
	@$(BIN)/python -m local.record_histories --freeze

release: deployed ## Check that a tag may become a release; write its notes and its package into .local/release (TAG=v1.2.0)
	@$(BIN)/python -m local.release "$(TAG)"

clean: ## Remove the environments and everything that runs have left
	rm -rf .venv .local node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

deployed: $(DEPLOYED)

environment: $(READY)

emulator: $(if $(WITHOUT_NODE),without-node,$(AZURITE))

without-node:
	@echo "Without Node.js and npm the tests that need the emulator of Table Storage are skipped (Debian, Ubuntu: apt install nodejs npm)" >&2

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or later is needed, and $(PYTHON) is $(if $(VERSION),$(VERSION),not to be found). Name one: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; \
	  exit 1; }

# A stamp is written last: an installation that was cut off is done again. The interpreter is checked each time, but is no reason to
# install again.
$(DEPLOYED): requirements.txt cli/requirements.txt | python
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; }
	@echo "Preparing $(VENV) (once, a minute or so)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r requirements.txt
	@$(INSTALL) -r cli/requirements.txt
	@touch $@

$(READY): requirements-dev.txt $(DEPLOYED) | python
	@echo "Adding the tools for development to $(VENV) (once)"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

$(CHECKOV)/.$(CHECKOV_VERSION): | python
	@echo "Preparing $(CHECKOV) (once, half a minute)"
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input checkov==$(CHECKOV_VERSION)
	@touch $@

# --ignore-scripts: nothing that is downloaded runs before a test starts it.
$(AZURITE): package.json package-lock.json
	@echo "Preparing node_modules (once, a minute or so)"
	@npm ci --silent --no-audit --no-fund --ignore-scripts || { echo "npm ci failed; without --silent it says why" >&2; exit 1; }
	@touch $@
