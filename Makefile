# One verb per need; `make` alone lists them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: bench-serve soak bench-growth bench-registry bench-linkage bench-ingest bench-decode help install demo test check generate lock \
  up down mutations faults

help:
	@echo "make demo    stream 200,000 records from Kafka to the marts and reconcile"
	@echo "make test    every test, on a real broker and a real Airflow database"
	@echo "make check   lint, types, layers, SQL style, generated files"
	@echo "make faults  kill, freeze and obstruct sinks for about half an hour; nothing may be lost or come twice"
	@echo "make mutations  100,000 damaged records through a real broker and sink"
	@echo "make up      start the centre;  make down  stops it"
	@echo "make generate  write dbt staging and JSON Schemas from the contracts"
	@echo "make bench-ingest  the sink beside Spark, Kafka Connect and bare clients, in one run"
	@echo "make bench-growth  an increment's build over little history and over ten times as much"
	@echo "make bench-registry  golden records of five million events, and increments of ten thousand"
	@echo "make bench-linkage  find persons again in published sets, without their number"
	@echo "make bench-serve  lookups at 100 a second, and a mart by Arrow beside reading its file"
	@echo "make soak    the whole centre at 500 events/s for ten minutes, each of its processes killed once"
	@echo "make lock    resolve the versions again"

install: $(INSTALLED)

$(INSTALLED): requirements.lock requirements-bootstrap.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m connectors.sink.scan.warm
	touch $@

demo: $(INSTALLED)
	$(BIN)/datacentre demo

test: $(INSTALLED)
	$(BIN)/pytest -q -n 2 --dist loadgroup

mutations: $(INSTALLED)
	$(BIN)/python -m tests.faults.mutations 100000

check: $(INSTALLED)
	@failed=0; \
	for step in "ruff check ." "ruff format --check ." "mypy" "lint-imports --no-cache" \
	    "python -m datacentre.contracts.drift" \
	    "python -m datacentre.dbt_conventions" "sqlfluff lint --config dbt_project/.sqlfluff dbt_project/models dbt_project/tests"; do \
	  echo "== $$step"; PATH=$(BIN):$$PATH $(BIN)/$$step || failed=1; \
	done; exit $$failed

faults: $(INSTALLED)
	$(BIN)/python -m tests.faults.matrix --json docs/faults.json --page docs/faults.md

up: $(INSTALLED)
	$(BIN)/datacentre up

down: $(INSTALLED)
	$(BIN)/datacentre down

generate: $(INSTALLED)
	$(BIN)/python -m datacentre.contracts.drift --write

lock: $(INSTALLED)
	$(BIN)/uv pip compile pyproject.toml --extra all --extra dev --generate-hashes --no-emit-index-url \
	  --no-header --python-version 3.11 --quiet --output-file requirements.lock

bench-linkage: $(INSTALLED)
	$(BIN)/python -m bench.linkage

bench-serve: $(INSTALLED)
	$(BIN)/python -m bench.serve

soak: $(INSTALLED)
	$(BIN)/python -m bench.soak

bench-growth: $(INSTALLED)
	$(BIN)/python -m bench.growth

bench-registry: $(INSTALLED)
	$(BIN)/python -m bench.registry

BENCH := .venv-bench
bench-decode: $(INSTALLED)
	$(BIN)/python -m bench.decode

bench-ingest: $(INSTALLED) $(BENCH)/.installed
	$(BIN)/python -m bench.ingest run

$(BENCH)/.installed: requirements-bench.lock $(INSTALLED)
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(BENCH)
	$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --require-hashes -r requirements-bench.lock
	touch $@
