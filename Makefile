# make demo: set everything up and judge the shipped pilots. make test: what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test drills lab docs bench study export check-fresh lint unit wheel notebooks clean
.DEFAULT_GOAL := demo

# uv where it can be had (it installs by pip), else pip; done again when pyproject.toml changes
$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || echo "uv cannot be had here; pip does it, more slowly"
	@{ test -x $(BIN)/uv && VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --editable '.[dev]'; } \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## both shipped pilots, replayed and judged
	@$(BIN)/p2p run feedback credit --any-verdict

test: $(STAMP) check-fresh lint notebooks unit wheel ## everything that CI checks

check-fresh: $(STAMP) ## the package is what the notebooks export, and the notebooks are clean
	@$(BIN)/python tests/fresh.py

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/mypy

notebooks: $(STAMP) ## every api notebook runs
	@PATH="$(abspath $(BIN)):$$PATH" JUPYTER_PREFER_ENV_PATH=1 $(BIN)/nbdev-test --n-workers 2 --do-print

unit: $(STAMP)
	@$(BIN)/python -m pytest

drills: $(STAMP) ## fault drills, the long ones too: real signals, a full disk, 500 notebooks in one go
	@$(BIN)/python -m pytest tests/test_drills.py -m "drill or not drill" -n 0 -v

wheel: $(STAMP) ## built, installed in a clean environment, and used from an empty folder
	@$(BIN)/python tests/wheel.py

lab: $(STAMP) ## JupyterLab on the stress notebooks
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/jupyter lab nbs/stress

docs: $(STAMP) ## the site, where Quarto is installed
	@command -v quarto >/dev/null || { echo "Quarto is not installed. Get it from https://quarto.org/docs/get-started/, then: make docs"; exit 1; }
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/nbdev-docs

bench: $(STAMP) ## benchmarks: figures for this machine, the peers in environments of their own, and the page that shows them
	@$(BIN)/python benchmarks/keystone.py
	@$(BIN)/python benchmarks/peers.py
	@$(BIN)/python benchmarks/replay.py
	@$(BIN)/python benchmarks/large.py
	@$(BIN)/python benchmarks/notebooks.py
	@$(BIN)/python benchmarks/card.py
	@$(BIN)/python benchmarks/page.py

study: $(STAMP) ## does a verdict keep what it claims? every metric, size and prevalence by simulation, and the page that shows it
	@$(BIN)/python benchmarks/study.py
	@$(BIN)/python benchmarks/study.py --page

export: $(STAMP) ## notebooks to package, and README
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/nbdev-export
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/nbdev-clean
	@$(BIN)/python tests/readme.py --write

clean:
	rm -rf $(VENV) build dist _docs _proc
