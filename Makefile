# Two commands: `make report` and `make test`. Each target sets up what it needs by itself.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
SEMINAR := .venv-seminar
DOCS   := .venv-docs
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
OUT    ?=
# uv installs fastest; `make report INSTALLER=pip` does without it.
INSTALLER ?= uv
export PYTHONDONTWRITEBYTECODE=

.PHONY: report test lab docs seminar course course-test seminar-web seminar-lite slides bench lint clean
.DELETE_ON_ERROR:

# install(venv, requirements): pinned, hashed, compiled; through uv where it can be had, else plain pip.
# Its plain kernels import nothing from where they run, which may be a study's folder.
define install
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@echo "Installing $(2) into $(1) ..."
	@$(1)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-build.txt
	@test $(INSTALLER) = uv && $(1)/bin/uv pip install -q --compile-bytecode --python $(1)/bin/python --require-hashes -r $(2) \
	  || $(1)/bin/python -m pip install -q --compile --disable-pip-version-check --require-hashes -r $(2)
	@$(1)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(1)/bin/python -m ipykernel install --sys-prefix --env PYTHONSAFEPATH 1 >/dev/null 2>&1
	@$(1)/bin/python -m compileall -q alliance_helpers
endef

$(VENV)/.run: requirements.txt requirements-build.txt pyproject.toml Makefile
	$(call install,$(VENV),requirements.txt)
	@touch $@

$(VENV)/.test: requirements-test.txt requirements-build.txt pyproject.toml Makefile
	$(call install,$(VENV),requirements-test.txt)
	@touch $(VENV)/.run $@

$(SEMINAR)/.seminar: requirements-seminar.txt requirements-build.txt pyproject.toml Makefile tools/seminar/mathjax.html.j2
	$(call install,$(SEMINAR),requirements-seminar.txt)
	@for page in feedback formgrade; do install -m 644 -D tools/seminar/mathjax.html.j2 \
	  $(SEMINAR)/share/jupyter/nbconvert/templates/$$page/mathjax.html.j2; done
	@touch $@

$(DOCS)/.docs: requirements-docs.txt
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

report: $(VENV)/.run
	@$(VENV)/bin/alliance run $(if $(OUT),--out $(OUT))

lab: $(VENV)/.run
	@JUPYTER_DEFAULT_PROVISIONER_NAME=alliance-warm $(VENV)/bin/jupyter lab \
	  --LabApp.default_url=/lab/tree/notebooks/START.ipynb $(AS_ROOT) --ServerApp.root_dir=.

# The site, in build/site/: open its index.html.
docs: $(VENV)/.run $(DOCS)/.docs
	@$(PY) -m tools.docs
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict -q -f tools/mkdocs.yml
	@echo "Site: build/site/index.html"

# The student and the instructor edition in results/seminar/, their tests checked.
seminar: $(SEMINAR)/.seminar
	@$(SEMINAR)/bin/python -m tools.seminar.editions student instructor

# Units as single HTML files that need no server: make seminar-lite ARGS="--units 1 2 6"
seminar-lite: $(VENV)/.test
	@$(PY) -m tools.seminar.lite $(ARGS)

# All units as slides, a file each, whose figures move: no server, no other host.
slides: $(VENV)/.test
	@$(PY) -m tools.seminar.lite --slides --units 1 2 3 4 5 6 7 --out results/seminar/slides $(ARGS)

# A class with nbgrader: make course NAME=results/ws26; what came back: make course NAME=... INBOX=sent
course: $(SEMINAR)/.seminar
	@test -n "$(NAME)" || { echo "Say where: make course NAME=results/ws26" >&2; exit 2; }
	@$(SEMINAR)/bin/python -m tools.seminar.course $(NAME) $(INBOX)

# From release to marks, with three students made for it.
course-test: $(SEMINAR)/.seminar
	@$(SEMINAR)/bin/python -m pytest --noconftest -q tests/teaching/test_course.py

# The same units as web pages for a class: make seminar-web ARGS="--ip=0.0.0.0 --port=8866"
seminar-web: $(VENV)/.test
	@$(PY) -m tools.seminar.web $(ARGS)

# Two workers; `make test WORKERS=0` runs everything in one process.
WORKERS ?= 2
test: $(VENV)/.test
	@$(PY) -m pytest -n $(WORKERS) --no-loadscope-reorder

lint: $(VENV)/.test
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

# The batches in short form: make bench ARGS=short
bench: $(VENV)/.test
	@$(PY) -m benchmarks $(ARGS)

clean:
	rm -rf build *.egg-info .pytest_cache .ruff_cache .hypothesis
