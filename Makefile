# The one entry to everything that is done with this repository; `make help` lists it.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STORE  ?= embedded
NODES  ?= 3
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help up down test lint types layers format generate generate-check unit integration e2e test-kind bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(STAMP): pyproject.toml
	@tools/setup.sh python $(PYTHON) $(VENV)
	@touch $@

up: $(STAMP) ## Start a cluster of one master and three nodes on this machine, with the demo (STORE=etcd, NODES=3)
	@tools/setup.sh docker
	@if [ "$(STORE)" = etcd ]; then tools/setup.sh etcd; fi
	@$(BIN)/timonel up --nodes $(NODES) --store $(STORE) --apply manifests/demo

down: $(STAMP) ## Stop the cluster and remove every trace of it
	@$(BIN)/timonel down

test: $(STAMP) ## Lint, types, layers, generated code, and every test
	@tools/setup.sh dev $(VENV)
	@tools/setup.sh test
	@$(MAKE) --no-print-directory lint types layers generate-check
	$(BIN)/pytest

lint: $(STAMP)
	@tools/setup.sh dev $(VENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Rewrite the code in the one format
	@tools/setup.sh dev $(VENV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	@tools/setup.sh dev $(VENV)
	$(BIN)/mypy

layers: $(STAMP) ## Who may import whom
	@tools/setup.sh dev $(VENV)
	$(BIN)/lint-imports

generate: $(STAMP) ## Make the API types, their protobuf layout and the RPC code again
	@tools/setup.sh dev $(VENV)
	$(BIN)/python -m tools.generate_protobuf
	$(BIN)/python -m tools.generate_types
	$(BIN)/python -m tools.generate_rpc

generate-check: generate ## Fail when generated code was not committed as it is made
	@git diff --exit-code --stat -- timonel/api/types timonel/rpc master/apiserver/protobuf || \
	  { echo "generated code differs from its sources: commit what 'make generate' made" >&2; exit 1; }

unit: $(STAMP) ## The tests that need neither Docker nor etcd nor kubectl
	@tools/setup.sh dev $(VENV)
	$(BIN)/pytest -m "not docker and not etcd and not kubectl and not e2e"

integration: $(STAMP) ## The tests on real etcd, real kubectl and in-process nodes
	@tools/setup.sh dev $(VENV)
	@tools/setup.sh test
	$(BIN)/pytest tests/contracts tests/integration

e2e: $(STAMP) ## The tests on a whole cluster with Docker
	@tools/setup.sh dev $(VENV)
	@tools/setup.sh test
	$(BIN)/pytest tests/e2e

test-kind: $(STAMP) ## The scenarios of tests/kind on a real Kubernetes: that of KUBECONFIG, else one that kind makes
	@tools/test_kind.sh $(BIN)/python $(SCENARIOS)

bench: $(STAMP) ## Print the figures (takes some minutes)
	@tools/setup.sh dev $(VENV)
	@tools/setup.sh test
	@for script in bench/[a-z]*.py; do \
	  name=bench.$$(basename $$script .py); echo; echo "== $$name"; $(BIN)/python -m $$name || exit 1; \
	done

clean: ## Remove what the other targets made here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
