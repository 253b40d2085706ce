"""Section of the terms of the page, one meaning each."""

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Definition, Definitions, Section
from analysis.report.html.terms import anchor
from study.spec.arms import BASELINE

TERMS = {
    "arm": "what is compared: training {compared}",
    "batch normalisation": "each unit is centred and scaled by mean and variance of the batch, then by learned numbers",
    "cell": "one combination of {factors}",
    "run": "one training: an arm, a cell, a seed",
    "pair": "the two runs of a cell and seed that differ in the arm alone",
    "seed": "what fixes the initial weights and the order of the images; the unit of which n counts",
    "difference": "test accuracy of the arm minus that of the baseline, in points of a hundred",
    "interval": "the values that its test does not reject; of 95 % intervals, 95 % hold the true value",
    "all at once": "simultaneous: the stated confidence that all of the intervals hold together",
    "p": "how often chance alone, by the named test, would give a difference at least this large",
    "verdict": "what the interval says: better, worse, equivalent, inconclusive; mixed where cells disagree, withheld"
    " where runs are missing, a description where seeds are too few",
    "tipping rate": "the share of the better arm's runs that would have to collapse for the difference to vanish",
    "margin": "a difference too small to matter",
    "diverged": "loss or weights that are no longer numbers; it scores chance from there on",
    "failed to learn": "ended below the learning threshold, a ninth of the way from chance to all right, without having"
    " diverged",
    "pairing gain": "how many times as many unpaired seeds would be as good as these paired ones",
    "A/A": "the analysis run on data in which there is nothing to find",
    "max-T": "a test of several differences together by the largest of their t statistics",
    "sup-t": "intervals of several differences together, by the largest of their t statistics",
    "running averages": "the statistics kept while training, by which batch normalisation usually predicts",
    "calibration error": "how far stated probabilities lie from how often they are right",
    "trial": "one configuration that tuning tried, trained with a few seeds",
    "search": "so many trials of each arm, and the configuration that it chose for each; several are independent",
    "held out": "training images that no trial trains on and that score the trials",
    "tuned": "in the configuration that an arm's own search found best; {every_arm} have equal budgets",
    "e-value": "evidence that stays valid after every seed; from 1/alpha on it rejects, at alpha, that each of two arms"
    " wins half of the pairs",
}


def section(study: StudyData, results: Results) -> Section:
    terms = [Definition(term, text, anchor=anchor(term)) for term, text in meanings(study).items()]
    return Section("glossary", "Glossary", details=[Definitions(terms)])


def meanings(study: StudyData) -> dict[str, str]:
    """Return what each term means on the page of a study."""
    of_study = {
        "compared": _compared(study),
        "factors": fmt.listing([factor.axis for factor in study.design.factors]),
        "every_arm": fmt.every_arm(study.design.arms),
    }
    return {term: text.format(**of_study) for term, text in TERMS.items()}


def _compared(study: StudyData) -> str:
    names = fmt.treatments(study.design.arms)
    alone = len(names) == 1 and fmt.is_its_absence(names[0])
    without = "without it" if alone else f"with {fmt.arm_name(BASELINE)}"
    return fmt.listing([*(f"with {name}" for name in names), without])
