# `make run` serves config.toml; `make test` checks everything. Both set up what they need, in .venv.
# `make docs` writes the generated pages anew. Options for the server: make run ARGS="--port 9000"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
TYPESCRIPT := tests/flows/typescript
CONFORMANCE := tests/conformance
UPSTREAMS := tests/flows/upstreams
PROVIDER := tests/flows/provider
MODULES := node_modules/.package-lock.json

.PHONY: run test lint types unit conformance browser directory proxies shared docs clean

run: $(VENV)/run.stamp
	$(BIN)/python -m omnitornado config.toml $(ARGS)

test: lint types unit

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

unit: $(VENV)/dev.stamp $(TYPESCRIPT)/$(MODULES) $(CONFORMANCE)/$(MODULES) $(UPSTREAMS)/$(MODULES) $(PROVIDER)/$(MODULES) browser directory proxies shared
	$(BIN)/python -m pytest

# The official MCP conformance suite alone; `make test` runs it as well.
conformance: $(VENV)/dev.stamp $(CONFORMANCE)/$(MODULES)
	$(BIN)/python -m pytest tests/flows/test_conformance*.py

# The official TypeScript clients, the conformance suite and an OpenID provider; Node.js comes with the development
# extras.
$(TYPESCRIPT)/$(MODULES) $(CONFORMANCE)/$(MODULES) $(UPSTREAMS)/$(MODULES) $(PROVIDER)/$(MODULES): %/$(MODULES): %/package-lock.json | $(VENV)/dev.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --silent --prefix $*
	touch $@

docs: $(VENV)/run.stamp
	$(BIN)/python docs/generate.py

# Debian's OpenLDAP server, for the example that asks a directory.
directory:
	@test -x /usr/sbin/slapd || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update && $$SUDO env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends slapd; }

# Debian's nginx and HAProxy, for the tests behind a proxy. Neither is started by the package.
proxies:
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v haproxy >/dev/null || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update && $$SUDO env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends nginx haproxy; }

# Debian's Redis, for the store that several servers share.
shared:
	@test -x /usr/bin/redis-server || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update && $$SUDO env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends redis-server; }

# Debian's Chromium and its driver, for the tests that sign in with a real browser.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update && $$SUDO apt-get install -y --no-install-recommends chromium chromium-driver; }

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/dev.stamp: pyproject.toml setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(TYPESCRIPT)/node_modules $(CONFORMANCE)/node_modules $(UPSTREAMS)/node_modules $(PROVIDER)/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
