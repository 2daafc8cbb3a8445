# `make help` lists the targets. Requirements: Python 3.11 to 3.14, and make.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := api.py jobs.py worker.py analyses $(wildcard benchmarks) cli client config data_views dataset docs jobstore ops pages runtime submission web

# Other queues that the benchmarks compare with, each in its own environment because their dependencies conflict.
PEERS := $(patsubst benchmarks/peers/requirements/%.txt,benchmarks/peers/.venv/%/installed,$(wildcard benchmarks/peers/requirements/*.txt)) \
	benchmarks/peers/bullmq/node_modules/installed

# Forces a new virtual environment if the Python of the old one is missing.
REINSTALL := $(if $(wildcard $(BIN)/python),,reinstall)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run

.PHONY: run
run: .venv/runtime ## Run Redis, the API and two workers until Ctrl-C
	@exec $(BIN)/python -m ops.devserver.run

.PHONY: demo
demo: .venv/runtime ## Load the sample data, run one job of each analysis, show results and plots, and stop
	@exec $(BIN)/python -m ops.devserver.demo

.PHONY: cluster-demo
cluster-demo: .venv/runtime ## Run a cluster of nine hosts in network namespaces, let hosts fail under load, and stop; WRITE=yes for docs/scaling.md, ARGS=--quick
	@exec $(BIN)/python -m benchmarks.cluster $(if $(WRITE),--write) $(ARGS)

##@ Test

# ONLY: a folder below tests, a file, a test id, or an expression for pytest -k.
SELECTED = $(if $(ONLY),$(or $(wildcard tests/$(ONLY)),$(and $(wildcard $(firstword $(subst ::, ,$(ONLY)))),$(ONLY)),-k "$(ONLY)"))

# Most tests wait for processes, so two at once take half as long; more would disturb those that measure time.
PYTEST = $(BIN)/python -m pytest $(if $(ONLY),$(SELECTED),-n 2 --dist loadfile)

.PHONY: test
test: .venv/development .venv-object-store/installed ## Run all tests but the long ones; ONLY=unit, a file or a word
	$(PYTEST) -m "not long"

TRIALS ?= 1000
SEED ?= 1
OUTAGES ?= 10
EXAMPLES ?= 1000

LONG_ = $(PYTEST) -m long
LONG_soak = $(BIN)/python -m pytest -s tests/faults/test_soak.py
LONG_model = MODEL=long $(BIN)/python -m pytest tests/faults/test_model.py
LONG_trials = $(BIN)/python -m tests.faults.trials $(TRIALS) --seed $(SEED) $(if $(ONLY),--only $(ONLY)) $(if $(PAGE),--write $(PAGE))
LONG_schemathesis = EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest --timeout 1800 tests/integration/test_openapi.py -k generated_requests
LONG_outages = $(BIN)/python -m tests.faults.outages $(OUTAGES)

.PHONY: test-long
test-long: .venv/development .venv-object-store/installed ## Run the long tests; ONLY=a file or a word, or SUITE=soak, model, trials, outages or schemathesis for many more rounds
	$(or $(LONG_$(SUITE)),$(error SUITE is soak, model, trials, outages or schemathesis))

.PHONY: test-hostile
test-hostile: .venv/development ## Attack the API in 2 GiB of memory and measure /health; ONLY=a line or a word, PAGE=docs/reliability.md
	$(BIN)/python -m tests.hostile $(if $(ONLY),--only "$(ONLY)") $(if $(PAGE),--write $(PAGE))

.PHONY: test-engine
test-engine: .venv/development ## Build the image, run it on this machine's container engine, and roll, scale, kill, restore
	$(BIN)/python -m pytest --timeout 600 tests/engine

.PHONY: manifests
manifests: .venv/development .venv-policies/installed ## Validate the Kubernetes manifests, the Dockerfile and the compose file
	$(BIN)/python -m pytest tests/manifests
	$(BIN)/python -m tests.manifests.render .venv-policies/rendered
	.venv-policies/bin/checkov --config-file .checkov.yaml --skip-download --quiet --compact \
		--framework kubernetes --directory .venv-policies/rendered
	.venv-policies/bin/checkov --config-file .checkov.yaml --skip-download --quiet --compact \
		--framework dockerfile --file Dockerfile tests/Dockerfile
	.venv-policies/bin/docker-compose --profile test --profile monitoring config --quiet

##@ Check what the image is made of

.PHONY: digests
digests: ## Ask the registries for the digests of the base images, and pin them in requirements/images.env and wherever they are named
	@requirements/digests

.PHONY: sbom
sbom: .venv-supply-chain/installed ## Write sbom.json: the packages of the image with their hashes, as CycloneDX
	.venv-supply-chain/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file sbom.json requirements/image.txt

.PHONY: audit
audit: .venv-supply-chain/installed ## Ask PyPI for known vulnerabilities of the packages of the image
	.venv-supply-chain/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes --requirement requirements/image.txt

# hotqueue alone has no wheel; it is pure Python.
.PHONY: wheels
wheels: .venv/development ## Verify that there is a wheel for arm64 of each package of the image, with the hashes of the lock
	$(BIN)/uv pip install --quiet --dry-run --target $${TMPDIR:-/tmp} --python $(BIN)/python --python-version 3.11 \
		--python-platform aarch64-manylinux_2_28 --only-binary :all: --no-binary hotqueue --require-hashes \
		--requirement requirements/image.txt

##@ Measure

BENCH_full = $(BIN)/python -m benchmarks.run --write $(ARGS)
BENCH_quick = $(BIN)/python -m benchmarks.run --quick $(ARGS)
BENCH_records = $(BIN)/python -m benchmarks.records $(ARGS)
BENCH_connections = $(BIN)/python -m benchmarks.connections $(ARGS)
BENCH_events = $(BIN)/python -m benchmarks.events $(ARGS)
BENCH_listing = $(BIN)/python -m benchmarks.listing $(ARGS)
BENCH_recovery = $(BIN)/python -m benchmarks.recovery $(ARGS)
BENCH_crash = $(BIN)/python -m benchmarks.crash $(ARGS)
BENCH_scaling = $(BIN)/python -m benchmarks.scaling --write $(ARGS)
BENCH_images = @for image in $$(sed -En 's/^(PYTHON|REDIS)_IMAGE=//p' requirements/images.env) dataset-jobs:0.1.0; do \
	docker image inspect --format "$$image {{.Size}}" "$$image" || exit; done | \
	awk '{ size[NR] = $$2; printf "%-28s %4.0f MB\n", $$1, $$2 / 1e6 } \
	END { printf "%-28s %4.0f MB\n", "ours without the base image", (size[3] - size[1]) / 1e6 }'

.PHONY: bench
bench: .venv/runtime $(if $(filter records connections events listing recovery scaling images,$(SUITE)),,$(PEERS)) ## Run the benchmarks and write docs/performance.md; SUITE=quick for less than 3 minutes, one of its suites, or records, connections, events, listing, recovery, crash, scaling (docs/scaling.md) or images
	$(or $(BENCH_$(or $(SUITE),full)),$(BIN)/python -m benchmarks.run --only $(SUITE) $(ARGS))

##@ Operate

# Without a named Redis, this is the Redis of `make run`, whose password is in its folder.
OWN_REDIS = password="$${DATA_DIR:-var}/redis-password"; \
	if [ -z "$$REDIS_IP$$REDIS_SENTINELS$$REDIS_PASSWORD_FILE" ] && [ -r "$$password" ]; then export REDIS_PASSWORD_FILE="$$password"; fi;

.PHONY: backup
backup: .venv/runtime ## Back up the Redis of the settings into BACKUP_DIR (./backups), while it runs
	@$(OWN_REDIS) exec $(BIN)/python -m ops.backup save

.PHONY: restore
restore: .venv/runtime ## Restore FILE=… (default: the newest back-up) into the empty Redis of the settings
	@$(OWN_REDIS) exec $(BIN)/python -m ops.backup restore "$(or $(FILE),newest)"

.PHONY: key
key: .venv/runtime ## Make an API key, print it once, and add its hash to API_KEYS_FILE: make key NAME=… ROLE=read, submit or admin
	@exec $(BIN)/python -m ops.keys "$(NAME)" "$(ROLE)"

.PHONY: check
check: .venv/runtime ## Verify the invariants of the Redis of the settings, at rest or under load
	@$(OWN_REDIS) exec $(BIN)/python -m ops.invariants

##@ Develop

.PHONY: analysis
analysis: .venv/runtime ## Create a new analysis and its test: make analysis NAME=…
	@$(BIN)/python -m docs.new_analysis "$(NAME)"

.PHONY: gallery
gallery: .venv/runtime ## Write docs/analyses.md and its pictures from the samples
	$(BIN)/python -m docs.gallery

.PHONY: lint
lint: .venv/development ## Check style, layout, types and imports
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy $(SOURCES) tests
	$(BIN)/lint-imports

.PHONY: format
format: .venv/development ## Format the code and sort its imports
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
	$(subst pyproject.toml,,$(LOCK)) --group object-store --output-file requirements/object-store.txt
	$(subst pyproject.toml,,$(LOCK)) --group supply-chain --output-file requirements/supply-chain.txt

.PHONY: clean
clean: ## Remove everything that was installed or generated here, except the state in var/
	rm -rf .venv .venv-policies .venv-object-store .venv-supply-chain sbom.json benchmarks/peers/.venv benchmarks/peers/bullmq/node_modules demo-plots .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# The stamps are written last, so an interrupted installation is repeated.

.venv/runtime: requirements.txt $(REINSTALL)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 to 3.14."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d is too old: choose 3.11 to 3.14, as in make PYTHON=python3.12." % sys.version_info[:2])'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/development: requirements/dev.txt .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv-%/installed: requirements/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

benchmarks/peers/.venv/%/installed: benchmarks/peers/requirements/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

benchmarks/peers/bullmq/node_modules/installed: benchmarks/peers/bullmq/package-lock.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node.js, the Debian packages nodejs and npm."; exit 1; }
	npm ci --prefix benchmarks/peers/bullmq --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: reinstall
reinstall:
