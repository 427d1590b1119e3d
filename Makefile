# `make` lists the targets. Nothing but Python 3.11 or newer, make and git is needed beforehand.
PYTHON ?= python3
VENV := .venv
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
  --no-emit-find-links
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# These values reach the commands as they are: neither make nor the shell runs what is in them.
override SERVICE := $(value SERVICE)
override SHA := $(value SHA)
override BASE := $(value BASE)
override HEAD := $(value HEAD)
export SERVICE SHA BASE HEAD

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help synth pin review cluster test test-deploy images e2e scan mutants lint format bench template deploy-secrets lock clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

synth: $(VENV)/.runtime ## Render dist/
	@python app.py

pin: $(VENV)/.runtime ## Pin an image: SERVICE=cerebro-api SHA=<40 hex digits> (ARGS=--no-verify)
	@[ "$$SERVICE" ] && [ "$$SHA" ] || { echo "error: set SERVICE and SHA" >&2; exit 2; }
	@python -m ops pin $(ARGS) -- "$$SERVICE" "$$SHA"

review: $(VENV)/.runtime ## Report the effects of a change in dist/ (BASE=main HEAD=branch)
	@[ "$$BASE" ] || [ ! "$$HEAD" ] || { echo "error: set BASE too" >&2; exit 2; }
	@python -m ops review $(ARGS) -- $${BASE:+"$$BASE"} $${HEAD:+"$$HEAD"}

cluster: $(VENV)/.tools ## Run the platform on this machine until Ctrl-C (ARGS=--taken-over: applied by hand, without Argo CD)
	@python -m local_cluster $(ARGS)

test: $(VENV)/.tools ## Run the quick tests (COV=1: and measure their coverage)
	@pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(if $(COV),--cov)

test-deploy: $(VENV)/.tools ## Test the deployment and operation of SecretsStack on an AWS emulator
	@pytest -m deploy tests/deploy tests/ops

images: $(VENV)/.tools ## Build every image from a sample, and run it like a pod (needs Debian and root)
	@python -m tests.images $(ARGS)

e2e: $(VENV)/.tools ## Test dist/ on a real control plane (its programs are built once from source)
	@pytest -m e2e tests/e2e $(ARGS)

scan: $(VENV)/.tools ## Run public scanners over dist/ and the template (built or installed once)
	@python -m tests.scan

mutants: $(VENV)/.tools ## Break every field of the rendered objects, and list what the rules miss
	@python -m tests.mutants

lint: $(VENV)/.tools ## Check style, types, wording and workflows
	@ruff format --check .
	@ruff check .
	@mypy
	@mypy bootstrap.py .github/scripts/*.py
	@codespell
	@shellcheck .ci/run .github/scripts/*.sh
	@actionlint .github/workflows/*.yml .github/examples/*.yml
	@zizmor --offline --quiet --persona pedantic .github .github/examples/*.yml

format: $(VENV)/.tools ## Format the code and fix what ruff can fix
	@ruff format .
	@ruff check --fix .

bench: $(VENV)/.tools ## Compare the speed of the synth with its baselines (SHORT=1: one round)
	@python -m tests.bench $(if $(SHORT),--short)

template: $(VENV)/.runtime ## Update the template snapshot of SecretsStack
	@python -m stacks.template

deploy-secrets: $(VENV)/.runtime ## Deploy SecretsStack, and save its outputs (ARGS="...")
	@python -m ops deploy-secrets -- $(ARGS)

lock: $(VENV)/.tools ## Compile pyproject.toml into the requirements files, with hashes
	@$(COMPILE) pyproject.toml --output-file requirements.txt
	@$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	@$(COMPILE) --group setup --output-file requirements-setup.txt
	@$(COMPILE) --group scan --output-file requirements-scan.txt

clean: ## Remove the environment, caches and build output
	rm -rf $(VENV) node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage cdk.out

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed, but $(PYTHON) is " \
	  + sys.version.split()[0] + "; name another: make PYTHON=python3.12" \
	  if sys.version_info < (3, 11) else 0)'
	@echo "Creating the virtual environment $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.runtime: requirements-setup.txt requirements.txt package.json package-lock.json | $(VENV)/.created
	@echo "Installing requirements.txt and package-lock.json (once)"
	@python bootstrap.py requirements.txt --npm
	@ln -sf ../../node_modules/.bin/cdk8s ../../node_modules/.bin/cdk $(VENV)/bin/
	@touch $@

$(VENV)/.tools: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing requirements-dev.txt (once)"
	@python bootstrap.py requirements-dev.txt
	@touch $@
