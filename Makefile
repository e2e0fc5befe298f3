# Everything a person or CI runs. `make install` needs only git, make and Python 3.11 or newer.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
DOCS := .venv/docs

export GX_ANALYTICS_ENABLED := false
export DVC_NO_ANALYTICS := true

.PHONY: help install hooks demo airflow airflow-stop flink flink-stop screenshots docs quick test test-all test-airflow lint types layers bench lock clean live
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP)  ## make .venv with the locked environment

$(STAMP): requirements/all.txt requirements/uv.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip sync --compile-bytecode --require-hashes requirements/all.txt
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(STAMP)

hooks: install  ## check every commit before it is made
	$(BIN)/pre-commit install

demo: install  ## generate the demo's streams and run every stage over them
	$(BIN)/beambell demo

airflow: install  ## start a complete Airflow here, with the DAGs (state in ./airflow)
	$(BIN)/python deploy/airflow_services.py start

airflow-stop:  ## stop it
	$(BIN)/python deploy/airflow_services.py stop

live: install  ## label the demo's streams as they come in, and show it, until Ctrl-C (state in ./live-demo)
	$(BIN)/python -m deploy.live_demo

flink: install  ## start a Flink cluster here, with Beam's job server (needs Java 17 or 11, and Maven the first time)
	$(BIN)/python -m deploy.servers flink start

flink-stop: install  ## stop it
	$(BIN)/python -m deploy.servers flink stop

screenshots: install  ## make the pictures of the DAGs in docs/ again (needs Chromium; takes minutes)
	$(BIN)/python deploy/screenshots.py

docs: install $(DOCS)/.installed  ## build the documentation into site/html; anything wrong with it fails
	$(BIN)/python deploy/docs_site.py $(DOCS)/bin/zensical

# An environment of its own: who only runs or tests the project installs none of it.
$(DOCS)/.installed: requirements/docs.txt $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DOCS)
	VIRTUAL_ENV=$(CURDIR)/$(DOCS) $(BIN)/uv pip sync --quiet --require-hashes requirements/docs.txt
	@touch $@

SINCE ?= main
quick: install lint types layers  ## lint, types, layers and the tests of the modules that changed since SINCE (default: main)
	@tests=$$($(BIN)/python tests/changed.py $(SINCE)); test -z "$$tests" || $(BIN)/python -m pytest -x $$tests

test: install lint types layers  ## lint, types, layers and the tests, two files at a time (under 12 minutes on 2 cores)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-all: install lint types layers docs  ## the same, with the heavy tests and the documentation
	$(BIN)/python -m pytest -m ''

test-airflow: install  ## all tests of the DAGs, the heavy ones too, two files at a time (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -m '' --numprocesses 2 --dist loadfile tests/dags

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

bench: install  ## measure, and write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

lock: install  ## resolve again and write requirements/*.txt (no host is named in them)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
		--custom-compile-command "make lock" pyproject.toml -o requirements/all.txt
	echo uv | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" - -o requirements/uv.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group docs \
		--custom-compile-command "make lock" -o requirements/docs.txt

clean:  ## remove what the project generated (never the environment)
	rm -rf data .beambell site
