# Every target checks first, quickly, that what it needs is installed (scripts/bootstrap).
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-down test test-all test-unit test-cdktn test-e2e faults lint format synth snapshots docs lock lock-provider clean

PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin
PYTEST := $(PYTHON) -m pytest
# Tests mostly wait for something, and two processes (WORKERS=2) save a quarter of the time; one is
# what all of them are proven with.
WORKERS ?= 1
# Whatever begins as a shell script, with or without a suffix.
SHELL_SCRIPTS = $(shell git ls-files | xargs awk 'FNR == 1 && /^.!.*[ \/](ba)?sh$$/ {print FILENAME} {nextfile}')

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what synth and the unit tests need; `make demo` installs the rest by itself
	@scripts/bootstrap

demo: ## deploy the demo on this machine and place calls through it (root; else what needs no machines)
	@scripts/bootstrap demo
	@$(PYTHON) -m cli demo up

demo-down: ## remove the demo (root)
	@scripts/bootstrap
	@$(PYTHON) -m cli demo down

test: ## every behaviour but those of `make faults` (root; the first run builds the machine image)
	@scripts/bootstrap tests
	@$(PYTEST) -n $(WORKERS) -m "not faults and not exhaustive" $(PYTEST_ARGS)

test-all: ## the same, and each variant of it (root); before a release
	@scripts/bootstrap tests
	@C4_SIP_PACKAGES=backports $(PYTEST) -n $(WORKERS) -m "not faults and not exhaustive" \
	  tests/kamailio tests/rendering/test_programs.py $(PYTEST_ARGS)
	@$(PYTEST) -n $(WORKERS) -m "not faults" $(PYTEST_ARGS)

test-unit: ## the tests that take milliseconds; no root
	@scripts/bootstrap
	@$(PYTEST) -q -m "not slow and not terraform and not lab and not sip and not e2e and not db" $(PYTEST_ARGS)

test-cdktn: ## what depends on the CDK, with its fork (C4_CDK=cdktn); `make test` compares the two
	@scripts/bootstrap
	@C4_CDK=cdktn $(PYTEST) -q -m "not slow and not terraform" $(PYTEST_ARGS) \
	  tests/synth/test_{agreement,cdk,lazy_provider,permissions,provider_lock,snapshots,stacks}.py

test-e2e: ## the tests against a deployment on the local cloud (root)
	@scripts/bootstrap tests
	@$(PYTEST) -m "not faults" tests/e2e $(PYTEST_ARGS)

faults: ## the whole matrix of faults and overload, on a quiet machine; docs/faults.md is made of it (root)
	@scripts/bootstrap tests
	@C4_E2E_RECORD=1 $(PYTEST) tests/e2e/test_faults*.py tests/e2e/test_rolling.py \
	  tests/kamailio/test_overload.py tests/kamailio/test_admission.py tests/kamailio/test_memory.py \
	  $(PYTEST_ARGS)
	@$(PYTHON) -m cli docs

lint: ## ruff, shellcheck, mypy, and who may import whom
	@scripts/bootstrap
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@.venv/bin/shellcheck --external-sources $(SHELL_SCRIPTS)
	@.venv/bin/mypy .
	@PYTHONPATH=constructs .venv/bin/lint-imports --no-logo

format: ## let ruff format the code
	@scripts/bootstrap
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

synth: ## write Terraform's JSON to cdktf.out (C4_DEPLOYMENT selects the deployment)
	@scripts/bootstrap
	@$(PYTHON) main.py

snapshots: ## accept the present output as the expected one (review the diff!)
	@scripts/bootstrap tests
	@$(PYTEST) --snapshot-update $(PYTEST_ARGS) -m "not e2e" -k snapshot

docs: ## regenerate the parts of docs/ and README.md that come from the code
	@scripts/bootstrap
	@$(PYTHON) -m cli docs

lock: ## resolve requirements/*.in again; UPGRADE=1 moves to the newest versions
	@scripts/bootstrap
	@scripts/lock $(if $(UPGRADE),--upgrade)

lock-provider: ## record the published checksums of the AWS provider (needs the Terraform registry)
	@scripts/bootstrap
	@scripts/lock-provider

clean: ## remove what can be made again
	rm -rf cdktf.out .mypy_cache .ruff_cache .import_linter_cache .pytest_cache
