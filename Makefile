# `make demo` and `make test` are all that a newcomer needs: Python 3.11 or newer with venv, make and git.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test prove lint bench docs clean

demo: .venv/demo.done
	$(BIN)/dmengine demo

test: .venv/test.done
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The long proofs in full: every kill point, vector, canary and example, where `make test` takes a sample.
prove: .venv/test.done .ministack/done
	DMENGINE_PROVE=1 $(BIN)/python -m pytest -n 2 --dist worksteal --durations=15

lint: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench.done
	$(BIN)/python -m benchmarks --json benchmarks/results/latest.json

docs: .venv/test.done
	$(BIN)/mkdocs build --strict

.venv/%.done: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@

# An AWS of other people's that enforces IAM. It pins another botocore than ours, so that it lives by itself.
.ministack/done: | .venv/bin/python
	$(BIN)/python -m venv .ministack
	.ministack/bin/python -m pip install --quiet ministack==1.5.33
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dmengine needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv .ministack demo-output site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
