# Every target sets .venv up first, from the hashed lock, when it is not there or out of date.
# PYTHON=/path/to/python3 chooses the Python; ARGS="..." is handed on to the command.

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint bench bench-short bench-quality lock clean set-up set-up-dev

ARGS ?=
DATA ?= ../shared/data

help: ## say what there is
	@echo "samestory: which articles are about the same event?"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24

demo: set-up ## start a private server, import the sample articles, show their clusters, stop
	@.venv/bin/samestory demo $(ARGS)

serve: set-up ## run the HTTP service until Ctrl-C
	@.venv/bin/samestory serve $(ARGS)

test: set-up-dev ## run the tests
	@.venv/bin/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

lint: set-up-dev ## style, format, types and import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

bench: set-up-dev ## speed and memory beside other libraries (DATA=folder; ARGS="near_duplicates --write")
	@.venv/bin/python -m tests.benchmarks --data "$(DATA)" $(ARGS)

bench-short: set-up-dev ## two minutes of it, which fail when ours falls behind (DATA=folder)
	@.venv/bin/python -m tests.benchmarks.short --data "$(DATA)"

bench-quality: set-up-dev ## clusters of labelled news (DATA=folder) beside what other methods make of it
	@.venv/bin/python -m tests.evaluation.bench_quality --data "$(DATA)" $(ARGS)

lock: set-up-dev ## resolve pyproject.toml into the locks anew; ARGS=--upgrade for the newest
	@.ci/lock $(ARGS)

clean: ## remove .venv, caches and what builds left
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find clustering service tests -name __pycache__ -type d -prune -exec rm -rf {} +

set-up:
	@.ci/set-up

set-up-dev:
	@.ci/set-up dev
