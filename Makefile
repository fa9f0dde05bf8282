BIN = .venv/bin
STAMP = .venv/.installed
SYNTHETIC = calls/synthetic.parquet
CALLS = $(SYNTHETIC)
RUN =
# Further options of batchbook run, such as --column transcript=body.
ARGS =
# Made-up calls are asked what shows most in a report, on an emulator of their own whose faults are injected.
STORY = notebooks/prompts/paragraph.md notebooks/prompts/sample
IS_STORY = $(filter $(SYNTHETIC),$(CALLS))
# Some of its records are made to fail, and then the command ends with 5.
PROMPTS = $(if $(IS_STORY),$(STORY),notebooks/prompts/paragraph.md notebooks/prompts/headings.md)
ACCOUNT = build/account
FAULTS = {"faults": {"record-429": 0.005, "record-filtered": 0.005}, "seed": 1}

.PHONY: run test test-whole test-browser test-crt test-spark test-spark-4 test-wheel check crash foreign bench tour sample-report gallery lab format clean

run: $(STAMP) $(if $(IS_STORY),$(SYNTHETIC) $(ACCOUNT)/settings.json)
	@$(if $(IS_STORY),BEDROCK_LOCAL="$(CURDIR)/$(ACCOUNT)") $(BIN)/batchbook run --calls "$(CALLS)" \
		--prompts $(PROMPTS) $(if $(RUN),--run $(RUN)) $(ARGS) $(if $(IS_STORY),|| test $$? = 5)

# Otherwise the files of the fewest tests come last, and among them are those that take a minute.
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Whole commands, notebooks and reports, and runs that are killed: each test takes seconds.
test-whole: $(STAMP)
	$(BIN)/python -m pytest -m whole -n 2 --dist loadfile --no-loadscope-reorder

# Needs Chromium, Node.js and npm; without one of them its tests are skipped, or fail where CI is set.
test-browser: $(STAMP)
	$(BIN)/python -m pytest -m browser

# With the common runtime boto3 signs by other code than users have, so what needs it is tested apart from the rest.
test-crt: $(STAMP)
	$(BIN)/pip install --quiet --target build/crt --upgrade awscrt
	PYTHONPATH=build/crt $(BIN)/python -m pytest -m crt

# Needs Java 17. PySpark is 350 MB, and nobody else needs it, so it is installed beside the environment.
test-spark: $(STAMP) build/spark-3/.installed
	PYTHONPATH=$(CURDIR)/build/spark-3 $(BIN)/python -m pytest -m spark

test-spark-4: $(STAMP) build/spark-4/.installed
	PYTHONPATH=$(CURDIR)/build/spark-4 $(BIN)/python -m pytest -m spark

build/spark-%/.installed: constraints.txt
	$(BIN)/pip install --quiet --target build/spark-$* --upgrade 'pyspark==$*.*' $(if $(filter 3,$*),-c constraints.txt)
	@touch $@

# Builds the wheel, and installs it into new environments from the index: the core alone, and with notebooks.
test-wheel: $(STAMP)
	$(BIN)/python -m pytest -m wheel

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Kills, starves and damages a run in every way that docs/reliability.md lists, with what it printed; takes hours.
crash: $(STAMP)
	@$(BIN)/python tests/reliability/crash.py

# Programs of others on the emulator, each in an environment of its own: needs Node.js and npm, and 2 GB of disk.
foreign: $(STAMP)
	@$(BIN)/python tests/foreign/foreign.py

# Tables in Markdown, from a machine that does nothing else; benchmarks/README.md says what they show.
bench: $(STAMP)
	@$(BIN)/pip install --quiet -c constraints.txt -e '.[bench]'
	@$(BIN)/python benchmarks/imports.py
	@$(BIN)/python benchmarks/storage.py
	@$(BIN)/python benchmarks/emulator.py
	@$(BIN)/python benchmarks/small_requests.py
	@$(BIN)/python benchmarks/large_puts.py
	@$(BIN)/python benchmarks/reading.py
	@$(BIN)/python benchmarks/writing.py
	@$(BIN)/python benchmarks/million.py
	@$(BIN)/python benchmarks/many_jobs.py
	@$(BIN)/python benchmarks/calibration.py
	@$(BIN)/python benchmarks/claims.py

# The tour is committed as it ran, in a fresh folder and on a fresh emulator; a bar would show how long that took.
tour: $(STAMP)
	rm -rf build/tour
	mkdir -p build/tour
	cp -R notebooks build/tour/notebooks
	BEDROCK_LOCAL=$(CURDIR)/build/tour/account TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute \
		--ExecutePreprocessor.record_timing=False --ClearMetadataPreprocessor.enabled=True \
		--ClearMetadataPreprocessor.preserve_nb_metadata_mask="{'kernelspec', ('language_info', 'name')}" \
		--ClearMetadataPreprocessor.preserve_cell_metadata_mask="{'tags'}" \
		--output-dir notebooks build/tour/notebooks/tour.ipynb

# The committed report of what `make run` does, from a fresh folder and emulator, and the picture of it in the README;
# the executed notebooks beside it are not committed, nor is the page over all runs, so no link leads there.
sample-report: $(STAMP) $(SYNTHETIC)
	rm -rf build/sample
	mkdir -p build/sample/account
	cp -R notebooks calls build/sample
	echo '$(FAULTS)' > build/sample/account/settings.json
	cd build/sample && BEDROCK_LOCAL=$(CURDIR)/build/sample/account TQDM_DISABLE=1 $(CURDIR)/$(BIN)/batchbook run --run sample \
		--calls $(SYNTHETIC) --prompts $(STORY) || test $$? = 5
	cp build/sample/reports/sample/*.html reports/sample
	sed -i.bak 's| *<a href="../index.html">All runs</a>||' reports/sample/*.html
	rm reports/sample/*.bak
	$(BIN)/python docs/picture.py reports/sample/index.html docs/report.png

# The pictures of docs/widgets.md, from its own code, as JupyterLab shows it in Chromium.
gallery: $(STAMP)
	$(BIN)/python docs/gallery.py

lab: $(STAMP) $(SYNTHETIC)
	@$(BIN)/batchbook lab

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv build *.egg-info

# uv installs in seconds; where it cannot be had, pip does the same in a minute.
# Compiled ahead, or every kernel compiles for itself where PYTHONDONTWRITEBYTECODE is set.
$(STAMP): pyproject.toml constraints.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@echo "Setting up .venv, once; this takes about a minute."
	@python3 -m venv .venv
	@if $(BIN)/pip install --quiet uv; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c constraints.txt -e '.[dev]'; \
	else \
		$(BIN)/pip install --quiet --compile -c constraints.txt -e '.[dev]'; \
	fi
	@touch $(STAMP)

$(ACCOUNT)/settings.json: | $(STAMP)
	@mkdir -p $(ACCOUNT)
	@echo '$(FAULTS)' > $@

$(SYNTHETIC): | $(STAMP)
	@$(BIN)/batchbook make-calls --calls 1200 --out $@
