# The same few commands on a laptop and in CI. Everything lives in one virtual environment, so torch is
# downloaded once.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# A process a core, each with a run of files, whose fixtures are dear; who is done first takes over some of the rest.
SIDE_BY_SIDE := -n auto --dist worksteal

.PHONY: report test slow lint bench golden calibrate reference readme clean

report: $(VENV)/installed
	$(RUN) -m study.run --seeds 10
	$(RUN) -m analysis.report

# Those of the page need a browser (apt-get install chromium, or playwright install chromium), those of the export LaTeX
# (apt-get install texlive-latex-recommended); both are skipped without.
test: $(VENV)/installed-test
	$(RUN) -m pytest $(SIDE_BY_SIDE)

slow: $(VENV)/installed-test
	$(RUN) -m pytest -m slow $(SIDE_BY_SIDE)

lint: $(VENV)/installed-lint
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

bench: $(VENV)/installed
	$(RUN) -m study.bench

# Six studies at another commit and here: make golden BASE=main~1
golden: $(VENV)/installed
	$(RUN) tests/golden.py $(BASE)

# What the answer says of 2,000 planted studies a row, and how often it is wrong.
calibrate: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(RUN) -m tests.calibration --studies 2000

# The studies in the repository, and what the README shows of them.
REFERENCES := results/reference-mnist results/reference-mnist-tuned results/reference-arms results/reference-claims
CLAIMS := results/reference-claims/studies/*
ARMS := no_bn bn bn_after bn_no_affine ghost_8 layer rms noisy
reference: $(VENV)/installed
	rm -rf $(REFERENCES)
	$(RUN) -m study.run --dataset mnist --study-id reference-mnist
	$(RUN) -m study.ablate results/reference-mnist
	$(RUN) -m study.tune --dataset mnist --study-id reference-mnist-tuned --searches 6
	$(RUN) -m study.run --dataset mnist --study-id reference-arms --arms $(ARMS) --batch-sizes 32 --lrs 0.001 0.01
	$(RUN) -m study.claims --dataset mnist --study-id reference-claims
	for study in $(REFERENCES); do $(RUN) -m analysis.report $$study; done
	rm -rf $(foreach study,$(REFERENCES) $(CLAIMS),$(addprefix $(study)/,parts ablation weights .[!.]*))
	$(MAKE) readme

# What the README quotes and shows of the studies in the repository; the picture needs Chromium.
readme: $(VENV)/installed
	$(RUN) -m analysis.readme results/reference-mnist results/reference-mnist-tuned
	$(RUN) -m analysis.picture results/reference-mnist

$(VENV)/installed: pyproject.toml
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(RUN) -m pip install --quiet --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV)
