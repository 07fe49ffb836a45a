# Postroom. `make` prints what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# The scenarios that must have a test which proves them; grows with what is built.
PROVEN := 1-130

##@ Using it
run: $(BIN)/.installed  ## Start everything here: embedded servers, a simulated Google, a sample firm
	@exec $(BIN)/postroom run

migrate: $(BIN)/.installed  ## Bring the database up to date
	@$(BIN)/postroom migrate

##@ Changing it
test: $(BIN)/.installed-dev  ## The whole suite, on real servers
	@$(BIN)/python -m pytest $(ARGS)

check: $(BIN)/.installed-dev  ## What CI checks: format, lint, types, imports, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.scenarios --check $(PROVEN)
	@$(MAKE) --no-print-directory test

eval: $(BIN)/.installed-dev  ## The guess on made-up firms, beside simpler ones, and what each kind of reason is worth
	@$(BIN)/python -m bench.evaluate

pages: $(BIN)/.installed-dev  ## How long pages take at 100,000 mails and 2,000 questions, beside a small firm's
	@$(BIN)/python -m bench.pages

fleet: $(BIN)/.installed-dev  ## Thousands of mailboxes, one firm failing: prints how late any was looked at
	@$(BIN)/python -m tools.fleet $(ARGS)

smoke: $(BIN)/.installed  ## All roles, one mail: prints push-to-filed milliseconds
	@$(BIN)/python -m tools.smoke

browser: $(BIN)/.installed-dev  ## The pages in a real browser; leaves pictures of them in data/screenshots/
	@$(BIN)/python -m pytest tests/browser -rs --screenshots data/screenshots $(ARGS)

removals: $(BIN)/.installed-dev  ## Take each promise away: its test must fail
	@$(BIN)/python -m tools.removals $(ARGS)

format: $(BIN)/.installed-dev  ## Format the code, mend what lint can mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

migrations: $(BIN)/.installed-dev  ## Write a migration for what changed in models/
	@PYTHONPATH=. $(BIN)/tortoise -c models.database.SCHEMA makemigrations

lock: $(BIN)/.installed-dev  ## Write the hashed requirements anew
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group build pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group build --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean:  ## Remove the environment and caches; data/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

##@
help:  ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {if (length($$0) > 4) printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment, from nothing but Python and its venv.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Postroom needs Python 3.11 or later; $(PYTHON) is `$(PYTHON) -V 2>&1`. Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python's venv module is missing: install it (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Making .venv …" && $(PYTHON) -m venv .venv

$(BIN)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Postroom needs …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/.installed-dev: requirements-dev.txt $(BIN)/.installed
	@echo "Installing what its tests need …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: run migrate test check eval pages fleet smoke browser removals format migrations lock clean help
