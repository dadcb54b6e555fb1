# Paywharf. `make run` starts everything, `make test` proves it; `make help` lists the rest.
PYTHON ?= python3
PORT ?= 8080
BIN := .venv/bin
PINS := setup.cfg pyproject.toml .ci/constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt

# Compiled modules are kept, whatever the surroundings say: a test run starts hundreds of Pythons.
export PYTHONDONTWRITEBYTECODE :=

# What the watcher promises of any node.
RULES := $(addprefix tests/watcher/test_,any_node.py detection.py matching.py node_behaviour.py)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run setup setup-test test test-fast test-faults test-redis test-node test-woocommerce lint types bench constraints clean

help: ## list every command
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

run: setup ## start hub, devnet, demo shop and demo bot (PORT=8080 and the next three); Ctrl-C stops all
	@exec $(BIN)/paywharf demo --port $(PORT)

setup: .venv/.installed ## make .venv and install what running needs

setup-test: ## install what testing needs: system packages (as root or by sudo) and libraries
	@.ci/system-packages
	@.ci/wordpress-lab
	@$(MAKE) --no-print-directory .venv/.installed-test

test: setup-test ## install what is missing and run the whole suite
	$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder

test-fast: .venv/.installed-test ## run, on SQLite alone, the tests that need no browser, no kill and no patience
	$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder -k "not postgresql" -m "not slow and not browser and not faults and not journey and not wordpress and not long"

test-faults: setup-test ## kill the hub at every point of a payment, on both databases: some ten minutes
	$(BIN)/python -m pytest tests/faults -n 3 --dist loadgroup --no-loadscope-reorder -m "long or not long"

test-redis: setup-test ## run the outbox's tests through RQ and a real Redis, and all that breaks Redis
	$(BIN)/python -m pytest tests/outbox tests/workers tests/journey/test_many_processes.py --executor rq -n 2

test-node: setup-test ## show the watcher's rules on any node: NODE=http://… [SOLID=http://…] [QPS=8] USDT=T… KEY=<hex of a funded account>; a devnet without them
	NODE="$(NODE)" SOLID="$(SOLID)" USDT="$(USDT)" KEY="$(KEY)" QPS="$(QPS)" $(BIN)/python -m pytest $(RULES) --world node -rs --no-fold-skipped -k "not postgresql"

test-woocommerce: setup-test ## try the WordPress plugin on a real shop: WP_DIR=<folder with WordPress and WooCommerce>; it is copied
	@[ -f "$(WP_DIR)/wp-content/plugins/woocommerce/woocommerce.php" ] || { \
	   echo "Give a folder with WordPress and WooCommerce in it: make test-woocommerce WP_DIR=/srv/shop" >&2; exit 1; }
	WP_DIR="$(WP_DIR)" $(BIN)/python -m pytest tests/wordpress

lint: .venv/.installed-test ## check the style with flake8
	$(BIN)/python -m flake8

types: .venv/.installed-test ## check the types with mypy
	$(BIN)/python -m mypy

bench: setup-test ## measure speed
	$(BIN)/python -m tests.bench

constraints: .venv/.installed-test ## write the installed versions to .ci/constraints.txt
	@{ sed -n '/^#/p;/^setuptools==/p' .ci/constraints.txt; \
	   $(BIN)/python -m pip freeze --exclude paywharf --exclude setuptools | sort -f; } > .ci/constraints.new
	@mv .ci/constraints.new .ci/constraints.txt

clean: ## remove the environment and caches; the data in var/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Paywharf needs Python 3.11 or newer; there is no $(PYTHON)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	   echo "Paywharf needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	   echo "$(PYTHON) cannot make environments: install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv

# setuptools comes first and pinned, so that the build fetches nothing of its own choice.
.venv/.installed: $(BIN)/python $(PINS)
	@echo "Installing Paywharf into .venv"
	@$(INSTALL) setuptools && $(INSTALL) --no-build-isolation --editable . && touch $@

.venv/.installed-test: $(BIN)/python $(PINS)
	@echo "Installing Paywharf and its test tools into .venv"
	@$(INSTALL) setuptools && $(INSTALL) --no-build-isolation --editable '.[test]' && touch $@ .venv/.installed
