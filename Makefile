# make demo: create .venv, install, run the main study.   make test: the same, then every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export MPLBACKEND := Agg

.PHONY: demo test check check-fast lint bench kills signals flips malformed battery against-sgd processors schedulers readers docs clean
.DEFAULT_GOAL := demo

# The install is skipped while nothing that it depends on has changed.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("ode_sgd needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(PIP) -e '.[test]'
	@touch $@

demo: $(VENV)/.installed
	@mkdir -p results
	$(BIN)/ode-sgd run simulations/ode_versus_sgd/study.toml -o results/ode_versus_sgd.h5

test: demo check

# Whole files go to a process, the longest ones first (tests/conftest.py): what tests of a file share is made once.
check: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# At most a tenth of the processor time of `check`, once kernels are compiled: lint, and tests of every part.
check-fast: lint
	$(BIN)/python -m pytest @tests/fast.txt

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-test
	@mkdir -p results
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# 20 kills of drivers and workers during a sweep of 200 runs; the tests have a smaller one.
kills: $(VENV)/.installed-test
	$(BIN)/python -m tests.studies.kills

# 200 signals at random moments of runs and sweeps; the tests send four.
signals: $(VENV)/.installed-test
	$(BIN)/python -m tests.studies.signals

# 2000 flipped bits in every kind of file; the tests have a smaller number.
flips: $(VENV)/.installed-test
	$(BIN)/python -m tests.storage.flips

# 1000 malformed files, command lines and calls, each in a process of its own; the tests have a sample.
malformed: $(VENV)/.installed-test
	$(BIN)/python -m tests.studies.malformed

# ODE against SGD with all seeds, shapes and schedules; the tests have a sample of each.
against-sgd: $(VENV)/.installed-test
	$(BIN)/python -m tests.teacher_student.test_ode_against_sgd
	$(BIN)/python -m tests.teacher_student.relu_against_sgd
	$(BIN)/python -m tests.teacher_student.activations_against_sgd
	$(BIN)/python -m tests.teacher_student.rules_and_optimizers_against_sgd
	$(BIN)/python -m tests.teacher_student.rules_against_sgd
	$(BIN)/python -m tests.teacher_student.simulation.schedules_at_length
	$(BIN)/python -m tests.teacher_student.fluctuations.against_the_chain

# The error of 1000 random problems against a plain integration at 1e-13; the tests have a sample.
battery: $(VENV)/.installed-test
	$(BIN)/python -m tests.teacher_student.integration.battery

# Theory, analysis and model with other linear algebra kernels, and compiled for another kind of processor.
processors: $(VENV)/.installed-test
	$(BIN)/python -m tests.processors

# A sweep in the jobs of every kind of queueing system: real ones where they are installed, stand-ins for the others.
schedulers: $(VENV)/.installed-test
	-@$(PIP) 'htcondor<24'
	$(BIN)/python -m pytest -rs tests/studies/test_job_script.py tests/studies/test_sweep_slurm.py tests/studies/test_sweep_gridengine.py
	$(BIN)/python -m tests.studies.schedulers

# The table of docs/howto/files.md: which programs read our files, and what they make of them.
readers: $(VENV)/.installed-test
	$(BIN)/python -m tests.storage.readers

$(VENV)/.installed-docs: $(VENV)/.installed
	@$(PIP) -e '.[docs]'
	@touch $@

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean:
	rm -rf $(VENV) results site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
