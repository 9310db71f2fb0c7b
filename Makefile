# `make run` and `make test` set themselves up; `make help` lists the rest.
# Settings come from the environment or from the command line: make run PORT=5001

PYTHON ?= python3
export PYTHON
# Where this is set, each process compiles all of Headway's files again.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
ALL_QUEUES := celery,mail
BUNDLE := headway/static/headway.js

.DEFAULT_GOAL := help
.PHONY: help install run worker web doctor paused resume unsent retry-unsent test check audit fuzz faults bench bench-smoke matrix celery-tests docs catalogues picture screenshots bundle wheel fmt lock clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 20

install: .venv/run.stamp static/vendor/run.stamp $(BUNDLE)  ## set up what `make run` needs (PYTHON=python3.12 chooses the Python)

run: install  ## start everything on this machine; Ctrl-C stops it in order
	@$(BIN)/python run.py

worker: .venv/run.stamp  ## one more worker for both queues (QUEUES=mail or QUEUES=celery for one of them)
	@REMAP_SIGTERM=SIGQUIT exec $(BIN)/celery -A worker worker -Q $(or $(QUEUES),$(ALL_QUEUES)) \
	  -c $(or $(WORKER_CONCURRENCY),4) -n extra-$$$$@%h --loglevel INFO

web: install  ## one more web process (PORT=5001)
	@$(BIN)/python wsgi.py

paused: .venv/run.stamp  ## what a Redis that was restored from a backup would run again
	@$(BIN)/python -m headway -A worker paused

resume: .venv/run.stamp  ## have what a restored Redis holds go on
	@$(BIN)/python -m headway -A worker resume

unsent: .venv/run.stamp  ## emails that failed because the mail server took none for MAIL_RETRY_HOURS
	@$(BIN)/python -m app.unsent list

retry-unsent: .venv/run.stamp  ## start all of them again, each once
	@$(BIN)/python -m app.unsent

doctor: .venv/run.stamp  ## look at Redis, the mail server and the settings: what is wrong, what it means, what to do
	@$(BIN)/python -m app.doctor

test: .venv/dev.stamp node_modules/dev.stamp $(BUNDLE)  ## all tests: a real Valkey, workers, mail conversation and browser
	@scripts/need-chromium.sh
	@scripts/need-nginx.sh
	@scripts/npm.sh test
	@# Three files run side by side on two cores, since their tests wait now and then. A fourth saves a tenth
	@# of the time at best, and has processes wait for a core while a test waits for them. The faults, which
	@# are judged by how soon all is right again, have the machine for themselves.
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/faults
	@$(BIN)/python -m pytest tests/faults

CHECKS := lint types javascript locks documents
.PHONY: $(CHECKS:%=check-%)

check: $(CHECKS:%=check-%)  ## lint, format and types of Python and JavaScript, the locks and the reference

$(CHECKS:%=check-%): .venv/dev.stamp node_modules/dev.stamp

check-lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types:
	$(BIN)/mypy

check-javascript:
	scripts/npm.sh run --silent check

check-locks:
	scripts/locks.sh --check

check-documents:
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python scripts/catalogues.py --check

audit: .venv/dev.stamp  ## known vulnerabilities, licences and a bill of materials (SBOM); needs the network
	@scripts/audit.sh

fuzz: .venv/dev.stamp $(BUNDLE)  ## the JSON routes, the websockets and the parsers, 10 minutes each; needs the network once (FUZZ="http --minutes 5")
	@scripts/fuzz.sh $(or $(FUZZ),http websockets parsers)

bundle: $(BUNDLE)  ## what pages load: headway.js, the scripts and styles of the application; and their sizes

wheel: .venv/build.stamp $(BUNDLE)  ## the library to install elsewhere, into dist/
	@echo "Building the wheel ..."
	@$(BIN)/python -m hatchling build -t wheel

faults: .venv/dev.stamp node_modules/dev.stamp $(BUNDLE)  ## break everything in every way, count what is lost (FAULTS="--seed 7 --minutes 10")
	@scripts/need-chromium.sh
	@$(BIN)/python -m tests.faults $(FAULTS)

bench: .venv/bench.stamp node_modules/dev.stamp bench/node_modules/bench.stamp $(BUNDLE)  ## Headway beside its peers, in numbers: some 15 minutes (BENCH="--only rooms")
	@$(BIN)/python -m bench $(BENCH)

bench-smoke: .venv/bench.stamp node_modules/dev.stamp bench/node_modules/bench.stamp $(BUNDLE)  ## the same in tiny windows: whether it runs, in under a minute
	@$(BIN)/python -m bench --quick $(BENCH)

matrix: .venv/dev.stamp $(BUNDLE)  ## the wheel with each Celery and Python that it is declared for (RELEASES="5.6 5.7")
	@scripts/matrix.sh $(RELEASES)

celery-tests: .venv/dev.stamp $(BUNDLE)  ## Celery's own integration tests, with the stock Redis backend and with Headway's (RELEASE=5.6.3 for another Celery)
	@RELEASE=$(RELEASE) scripts/celery-tests.sh

catalogues: .venv/dev.stamp  ## extract the texts of pages into each language's catalogue, and compile these
	@$(BIN)/python scripts/catalogues.py $(if $(ADD),--add $(ADD))

docs: .venv/dev.stamp  ## make docs/reference.md from the settings and the docstrings
	@$(BIN)/python scripts/reference.py

screenshots: .venv/dev.stamp node_modules/dev.stamp $(BUNDLE)  ## the pictures of docs/running.md, from a running system
	@$(BIN)/python -m bench.screenshots

picture: .venv/dev.stamp node_modules/dev.stamp $(BUNDLE)  ## the README's moving picture, from its example
	@scripts/need-chromium.sh
	@$(BIN)/python scripts/picture.py

fmt: .venv/dev.stamp  ## format the Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/dev.stamp  ## make requirements*.txt from requirements*.in (remove a .txt first to take newer versions)
	scripts/locks.sh

clean:  ## remove all that was set up, but not .data, which holds your tasks
	rm -rf .venv node_modules bench/node_modules static/vendor $(BUNDLE) headway/static/headway-page.js headway/static/headway-streams.js headway/static/headway-markdown.* static/bundles .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find app bench tests -name __pycache__ -prune -exec rm -r {} +

# A stamp is newer than what was installed, so that a second start installs nothing.

.venv/run.stamp: requirements.txt scripts/install.sh
	@scripts/install.sh requirements.txt
	@touch $@

.venv/build.stamp: requirements-build.txt .venv/run.stamp
	@scripts/install.sh requirements-build.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt pyproject.toml .venv/run.stamp
	@scripts/install.sh requirements-dev.txt
	@# Installed as a project would install it, for its entry points.
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/bench.stamp: requirements-bench.txt .venv/dev.stamp
	@scripts/install.sh requirements-bench.txt
	@touch $@

bench/node_modules/bench.stamp: bench/package.json bench/package-lock.json | .venv/run.stamp
	@echo "Installing the bench's Node peers ..."
	@scripts/npm.sh --prefix bench ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

static/vendor/run.stamp: package.json package-lock.json scripts/browser-files.sh | .venv/run.stamp
	@scripts/browser-files.sh --omit=dev
	@touch $@

node_modules/dev.stamp: package.json package-lock.json scripts/browser-files.sh | .venv/run.stamp
	@scripts/browser-files.sh
	@touch $@ static/vendor/run.stamp

$(BUNDLE): scripts/bundle.js $(wildcard headway/static/*.css headway/static/js/*.js static/css/*.css static/js/*.js) static/vendor/run.stamp | .venv/run.stamp
	@scripts/npm.sh run --silent bundle
