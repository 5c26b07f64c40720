# `make demo` and `make test` each set up all they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Processes that run tests side by side.
WORKERS ?= 2
CONSTRAINTS := constraints/staff.txt

.PHONY: demo test build lint bench colab clean help
help:
	@echo "make demo   grade a made-up class of real notebooks"
	@echo "make test   run every check of the project"
	@echo "make colab  run the notebooks in environments equal to Colab's"
	@echo "make build  make the students' notebooks and public records anew"

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[cpu,staff,dev]' --constraint $(CONSTRAINTS)
	@touch $@

demo: $(STAMP)
	$(BIN)/autograder demo

test: $(STAMP) lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

build: $(STAMP)
	$(BIN)/autograder build

# The notebooks in environments equal to Colab's, made anew: minutes, and gigabytes.
colab: $(STAMP)
	AUTOGRADER_COLAB=1 $(BIN)/python -m pytest tests/colab -rs --capture=no

bench: $(STAMP)
	$(BIN)/python benchmarks/throughput.py

clean:
	rm -rf $(VENV) demo build *.egg-info
