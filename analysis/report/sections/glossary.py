"""Section of the terms of the page, one meaning each."""

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Definition, Definitions, Section
from analysis.report.html.terms import anchor
from analysis.report.sentences import study_words

TERMS = {
    "arm": "what is compared: training {compared}",
    "batch normalisation": "centres and scales each unit with the batch's mean and variance, then with learned numbers",
    "setting": "one combination of {factors}",
    "run": "one training: an arm, a setting, a seed",
    "pair": "the two runs of a setting and seed that differ in the arm alone",
    "seed": "fixes {seed_of}; n counts seeds",
    "points": "percentage points of test accuracy",
    "difference": "test accuracy of the arm minus that of the baseline, in points",
    "interval": "the values that its test does not reject; 95 % of such intervals hold the true value",
    "simultaneous": "together: with the stated confidence all of the intervals hold",
    "p": "how often chance alone, by the named test, would give a difference at least this large",
    "verdict": "what the interval says: better, worse, equivalent or inconclusive; mixed where settings disagree,"
    " withheld where runs are missing, a description where seeds are too few",
    "tipping rate": "the share of the better arm's runs that would have to collapse for the difference to vanish",
    "collapse": "a run that ends at chance",
    "margin": "a difference too small to matter",
    "diverged": "its loss or weights are no longer numbers; it scores chance from there on",
    "failed": "diverged, or ended below the learning threshold, a ninth of the way from chance to 100 %",
    "prediction interval": "where one more run would lie",
    "pairing gain": "how many times as many unpaired seeds would give the same precision",
    "A/A": "the analysis of data in which there is nothing to find",
    "max-T": "a test of several differences together, by the largest of their t statistics",
    "sup-t": "intervals of several differences together, by the largest of their t statistics",
    "running averages": "means and variances saved during training, with which batch normalisation usually predicts",
    "calibration error": "how far stated probabilities lie from how often they are right",
    "trial": "one configuration that tuning tried, trained with a few seeds",
    "search": "a budget of trials for each arm, and the configuration that it chose for each; searches are independent",
    "held out": "training images that no trial trains on and that score the trials",
    "tuned": "in the configuration that an arm's own search found best; {every_arm} have equal budgets",
    "e-value": "evidence that stays valid after every seed; from 1/alpha on it rejects that each of two arms wins half"
    " of the pairs",
}
OF_SLICES = {"slice": "the settings of a study that have the levels named, with statistics and a family of their own"}

OF_SEVERAL_ARMS = {
    "baseline": "the arm that every other one is compared with: {baseline}",
    "family": "differences that are tested together, so that all claims on them are right at once",
    "ranked": "in the order of accuracy in the best setting that all arms have",
}
"""Terms of a study of more than two arms."""

OF_LEDGER = {
    "row": "a part of one of the tutorial's claims: one quantity at one setting, and a rule fixed before the first run",
    "claimed region": "the values of a row's quantity with which its claim is right",
    "supported": "the interval lies in the claimed region",
    "contradicted": "the interval lies outside of the claimed region",
    "undecided": "the interval crosses the bound of the claimed region",
    "internal covariate shift": "that the inputs of a layer change: from one mini-batch to the next, or from step to"
    " step",
    "drift": "how far a training step moves the units' means, on average, over their mean sd",
    "spread of batch means": "the sd of a unit's mean over batches, over the unit's sd; by chance alone 1/sqrt(m) in"
    " batches of m",
    "live units": "units whose value differs between images",
    "gradient ICS": "by how much a layer's gradient changes when the layers below it have made their step",
    "classifier two-sample test": "whether a classifier tells two sets of images apart better than chance",
    "AUC": "how often a classifier ranks an image of one set above one of the other: 0.5 is chance",
    "Holm": "a correction of several p-values, the smallest first",
}
"""Terms of the tutorial's ledger."""


def section(study: StudyData, results: Results) -> Section:
    terms = [Definition(term, text, anchor=anchor(term)) for term, text in meanings(study).items()]
    return Section("glossary", "Glossary", details=[Definitions(terms)])


def meanings(study: StudyData) -> dict[str, str]:
    """Return what each term means on the page of a study."""
    of_study = {
        "compared": _compared(study),
        "factors": fmt.listing([factor.axis for factor in study.design.factors]),
        "every_arm": fmt.every_arm(study.design.arms),
        "baseline": fmt.arm_name(study.baseline),
        "seed_of": study_words.seed_of(study.design),
    }
    terms = TERMS | (OF_SLICES if study.at else {}) | (OF_SEVERAL_ARMS if len(study.treatments) > 1 else {})
    terms |= {} if study.claims is None else OF_LEDGER
    return {term: text.format(**of_study) for term, text in terms.items()}


def _compared(study: StudyData) -> str:
    names = fmt.treatments(study.design.arms, study.baseline)
    alone = names == [fmt.arm_name(study.baseline).removeprefix("no ")]
    without = "without it" if alone else f"with {fmt.arm_name(study.baseline)}"
    return fmt.listing([*(f"with {name}" for name in names), without])
