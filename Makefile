# Every target starts from nothing but Python (>= 3.11) and make: the first one builds .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
RUN ?= runs/quickstart/$(shell date +%Y-%m-%d_%H-%M-%S)

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-all lint format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): about two minutes and 5 GB the first time, most of it torch."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

quickstart: $(READY)  ## train a small WaveNet on synthetic sounds, score it, and hear it (about 2 minutes)
	$(BIN)/wavestack train recipe=quickstart hydra.run.dir=$(RUN)
	$(BIN)/wavestack evaluate run=$(RUN)
	$(BIN)/wavestack generate run=$(RUN) seconds=2 out=$(RUN)/samples/quickstart.wav
	@echo
	@echo "Listen:  $(RUN)/samples/quickstart.wav"
	@echo "Look:    $(RUN)/samples/quickstart.png"
	@echo "Read:    $(RUN)/report.html"
	@echo "Run:     $(RUN)"

test: $(READY)  ## the test suite (under 4 minutes on 2 cores)
	$(BIN)/python -m pytest -n 2

test-all: $(READY)  ## the slow tests too
	$(BIN)/python -m pytest -n 2 -m "not gpu"

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove builds and caches (runs/ and .venv stay)
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -prune -exec rm -rf {} +
