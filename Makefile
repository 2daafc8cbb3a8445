# `make help` lists the targets. All that is needed beforehand: Python 3.11 to 3.14, and make.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := api.py jobs.py worker.py analyses $(wildcard benchmarks) config dataset docs jobstore ops runtime submission web

# Other queues, to be measured beside ours: each in an environment of its own, since their needs clash.
PEERS := $(patsubst benchmarks/peers/requirements/%.txt,benchmarks/peers/.venv/%/installed,$(wildcard benchmarks/peers/requirements/*.txt)) \
	benchmarks/peers/bullmq/node_modules/installed

# A virtual environment whose Python is gone (or never came) is made anew, whatever its stamps say.
ANEW := $(if $(wildcard $(BIN)/python),,anew)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/runtime ## Load the sample data, run one job of each analysis, show results and plots, and stop
	@exec $(BIN)/python -m ops.devserver.demo

.PHONY: run
run: .venv/runtime ## Run Redis, the API and two workers until Ctrl-C
	@exec $(BIN)/python -m ops.devserver.run

.PHONY: test
test: .venv/development ## Run all tests but those of `make manifests`, `make test-hostile` and `make test-engine`
	$(BIN)/python -m pytest

.PHONY: test-unit
test-unit: .venv/development ## Run the tests that start no process
	$(BIN)/python -m pytest tests/unit

.PHONY: test-integration
test-integration: .venv/development ## Run the tests on real servers and processes
	$(BIN)/python -m pytest tests/integration

.PHONY: test-faults
test-faults: .venv/development ## Run the tests that kill, stall, cut off and confuse what is running
	$(BIN)/python -m pytest tests/faults

.PHONY: test-hostile
test-hostile: .venv/development ## Attack the API in 2 GiB of memory, measure it and /health; ONLY=a line or a word, PAGE=docs/reliability.md
	$(BIN)/python -m tests.hostile $(if $(ONLY),--only "$(ONLY)") $(if $(PAGE),--write $(PAGE))

.PHONY: test-model
test-model: .venv/development ## Compare the transitions with their model in six thousand sequences: an hour or two
	MODEL=long $(BIN)/python -m pytest tests/faults/test_model.py

.PHONY: soak
soak: .venv/development ## Load the stack for SOAK_SECONDS (120), deal a random fault every few seconds, look for what is broken
	SOAK_SECONDS=$(or $(SOAK_SECONDS),120) $(BIN)/python -m pytest -s tests/faults/test_soak.py

TRIALS ?= 1000
SEED ?= 1

.PHONY: trials
trials: .venv/development ## Kill and stall our processes TRIALS times, step by step, by SEED; or play the trial ONLY again
	$(BIN)/python -m tests.faults.trials $(TRIALS) --seed $(SEED) $(if $(ONLY),--only $(ONLY)) $(if $(PAGE),--write $(PAGE))

OUTAGES ?= 10

.PHONY: outages
outages: .venv/development ## Kill Redis, its power and its primary OUTAGES times each, under load; count what was lost
	$(BIN)/python -m tests.faults.outages $(OUTAGES)

.PHONY: manifests
manifests: .venv/development .venv-policies/installed ## Validate the Kubernetes manifests, the Dockerfile and the compose file
	$(BIN)/python -m pytest tests/manifests
	$(BIN)/python -m tests.manifests.render .venv-policies/rendered
	.venv-policies/bin/checkov --config-file .checkov.yaml --skip-download --quiet --compact \
		--framework kubernetes --directory .venv-policies/rendered
	.venv-policies/bin/checkov --config-file .checkov.yaml --skip-download --quiet --compact \
		--framework dockerfile --file Dockerfile tests/Dockerfile
	.venv-policies/bin/docker-compose --profile test config --quiet

.PHONY: test-engine
test-engine: .venv/development ## Build the image, run it on this machine's container engine, and roll, scale, kill, restore
	$(BIN)/python -m pytest --timeout 600 tests/engine

.PHONY: image-sizes
image-sizes: ## Print how large the images are, and how much of ours is not the base
	@docker image inspect --format '{{index .RepoTags 0}} {{.Size}}' python:3.11-slim-bookworm redis:7-bookworm \
		dataset-jobs:0.1.0 | awk '{ size[NR] = $$2; printf "%-28s %4.0f MB\n", $$1, $$2 / 1e6 } \
		END { printf "%-28s %4.0f MB\n", "of ours, beyond Python", (size[3] - size[1]) / 1e6 }'

# Where no Redis is named it is the one of `make run`, which wants the password in its folder.
OWN_REDIS = password="$${DATA_DIR:-var}/redis-password"; \
	if [ -z "$$REDIS_IP$$REDIS_SENTINELS$$REDIS_PASSWORD_FILE" ] && [ -r "$$password" ]; then export REDIS_PASSWORD_FILE="$$password"; fi;

.PHONY: backup
backup: .venv/runtime ## Back up the Redis that the settings name into BACKUP_DIR (./backups), while it runs
	@$(OWN_REDIS) exec $(BIN)/python -m ops.backup save

.PHONY: restore
restore: .venv/runtime ## Restore FILE=… (the newest back-up without it) into the empty Redis that the settings name
	@$(OWN_REDIS) exec $(BIN)/python -m ops.backup restore "$(or $(FILE),newest)"

.PHONY: bench
bench: .venv/runtime ## Measure how fast one worker child drains jobs, against bare PINGs
	$(BIN)/python -m benchmarks.drain

.PHONY: bench-dataset
bench-dataset: .venv/runtime ## Measure how fast 300,000 rows are loaded, searched and summed up, against csv.reader
	$(BIN)/python -m benchmarks.dataset

.PHONY: bench-connections
bench-connections: .venv/runtime ## Measure the API beside slow clients, on our worker and on gunicorn's own
	$(BIN)/python -m benchmarks.connections

.PHONY: bench-recovery
bench-recovery: .venv/runtime ## Measure how soon a job runs again when what ran it is killed
	$(BIN)/python -m benchmarks.recovery

.PHONY: bench-crash
bench-crash: .venv/runtime $(PEERS) ## Kill children and workers of other queues and of ours, and count; ARGS=--write
	$(BIN)/python -m benchmarks.crash $(ARGS)

.PHONY: bench-peers
bench-peers: .venv/runtime $(PEERS) ## Measure how fast one worker drains jobs, ours and other queues; ARGS=--write
	$(BIN)/python -m benchmarks.speed $(ARGS)

.PHONY: analysis
analysis: .venv/runtime ## Begin a new analysis, and its test: make analysis NAME=...
	@$(BIN)/python -m docs.new_analysis "$(NAME)"

.PHONY: gallery
gallery: .venv/runtime ## Write docs/analyses.md and its pictures from the samples
	$(BIN)/python -m docs.gallery

.PHONY: check
check: .venv/runtime ## Verify the invariants of the Redis of REDIS_IP, at rest or under load
	@$(OWN_REDIS) exec $(BIN)/python -m ops.invariants

.PHONY: lint
lint: style types imports ## Run everything that reads the code: style, types, imports

.PHONY: style
style: .venv/development ## Check style and layout
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

.PHONY: types
types: .venv/development ## Check the types
	$(BIN)/python -m mypy $(SOURCES) tests

.PHONY: imports
imports: .venv/development ## Check who imports whom
	$(BIN)/lint-imports

.PHONY: format
format: .venv/development ## Lay out the code anew, and sort its imports
	$(BIN)/python -m ruff check --select I --fix .
	$(BIN)/python -m ruff format .

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --no-annotate pyproject.toml

.PHONY: lock
lock: .venv/development ## Lock the versions that pyproject.toml allows
	$(LOCK) --group stack --output-file requirements.txt
	$(LOCK) --constraints requirements.txt --output-file requirements/image.txt
	$(LOCK) --group stack --group dev --constraints requirements.txt --output-file requirements/dev.txt
	$(subst pyproject.toml,,$(LOCK)) --group policies --output-file requirements/policies.txt

.PHONY: clean
clean: ## Remove what was installed and made here, but not the state in var/
	rm -rf .venv .venv-policies benchmarks/peers/.venv benchmarks/peers/bullmq/node_modules demo-plots .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# The stamps are written last: an installation that was interrupted starts anew.

.venv/runtime: requirements.txt $(ANEW)
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11 to 3.14."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d is too old: choose 3.11 to 3.14, as in make PYTHON=python3.12." % sys.version_info[:2])'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/development: requirements/dev.txt .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv-policies/installed: requirements/policies.txt
	$(PYTHON) -m venv --clear .venv-policies
	.venv-policies/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/policies.txt
	@touch $@

benchmarks/peers/.venv/%/installed: benchmarks/peers/requirements/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

benchmarks/peers/bullmq/node_modules/installed: benchmarks/peers/bullmq/package-lock.json
	@command -v npm >/dev/null || { echo "There is no npm here: install Node.js, the Debian packages nodejs and npm."; exit 1; }
	npm ci --prefix benchmarks/peers/bullmq --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: anew
anew:
