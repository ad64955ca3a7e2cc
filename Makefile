# The only entry point for work on acrcheck; .ci/run calls the same targets.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv demo test pairs test-cluster cluster cluster-down check format readme docs golden bench compare-tools wheel constraints clean

help: ## show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done

venv: $(READY) ## make .venv with everything pinned, acrcheck in place

# Everything is pinned, what builds the package too: so nothing is resolved, and no build is isolated.
$(READY): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --requirement constraints.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY) ## the documentation's own story on a simulated cluster: broken, mended, healthy
	@$(BIN)/acrcheck demo

test: $(READY) ## all tests that need neither cluster nor network
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not cluster"

pairs: $(READY) ## every two scenarios' faults in one world, on every core
	$(BIN)/python -m tests.scenarios.pairs

test-cluster: $(READY) ## all tests that need a real Kubernetes; starts and ends one (root)
	$(BIN)/python -m tests.cluster.up exec -- $(BIN)/python -m pytest -m cluster tests/cluster

cluster: $(READY) ## start the test cluster, keep it, print its kubeconfig (root)
	$(BIN)/python -m tests.cluster.up up

cluster-down: $(READY) ## end it
	$(BIN)/python -m tests.cluster.up down

check: $(READY) ## format, lint, types, and what the README shows
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m tests.e2e.readme --check

format: $(READY) ## format, and mend what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

readme: $(READY) ## write what the README shows anew
	$(BIN)/python -m tests.e2e.readme

docs: $(READY) ## write the handbook into docs/, one page per cause and check
	$(BIN)/python -m tests.e2e.handbook docs

golden: $(READY) ## write the golden files anew
	$(BIN)/python -m pytest -q tests/unit/report --update-golden

bench: $(READY) ## ratios, measured in one run; with a cluster up (root) those of a run, with CORPUS=FILE how right diagnose is
	CORPUS=$(CORPUS) $(BIN)/python -m tests.bench

compare-tools: $(READY) ## stage every failed pull, write down what acrcheck and today's tools say of it (root)
	$(BIN)/python -m tests.cluster.capture
	$(BIN)/python -m tests.e2e.readme

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

constraints: $(READY) ## pin what .venv holds now
	{ sed '/^[^#]/d' constraints.txt; $(PIP) freeze --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt

clean: ## remove what was made, .venv too
	rm -rf .venv build dist docs *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
