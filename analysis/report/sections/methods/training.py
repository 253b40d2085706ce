"""What was trained, how, and what came of it: data, networks, arms, settings, seeds, endpoint, failures."""

from collections.abc import Iterator

from analysis.report.sections.methods.conditions import Has
from analysis.report.sections.methods.statements import Statement, every, no
from study.spec.datasets import DATASETS, SKLEARN, Tied
from study.spec.norms import NORM_KINDS, Kind

DATA, NETWORKS, DESIGN, OUTCOME, FAILURES = "Data", "Networks and training", "Design", "Outcome", "Failures"

PAPERS_OF_DATA = {
    "mnist": "lecun1998",
    "fashion-mnist": "xiao2017",
    "kmnist": "clanuwat2018",
    "digits": "pedregosa2011",
    "cifar10": "krizhevsky2009",
    **{key: "pedregosa2011" for key in DATASETS if key.startswith(SKLEARN)},
}
IMAGES = "{up_to}{n_train} images to train on and {n_test} to test on, of {n_features} pixels in {n_classes} classes."


def _data(key: str, paper: str) -> Statement:
    return _of_data(key, f"The data are {{dataset}} [@{paper}]: {IMAGES}")


def _of_data(key: str, text: str) -> Statement:
    return Statement(f"data-{key}", DATA, text, lambda f: f.data(key))


def _tied() -> Iterator[Statement]:
    """Yield what the data are where they are made of another data set's."""
    for key, data in DATASETS.items():
        if isinstance(data.source, Tied):
            base, level = DATASETS[data.source.base], data.source.background
            text = (
                f"The data are {{dataset}}, made of {base.name} [@{PAPERS_OF_DATA[base.key]}]: {IMAGES} Images of the"
                f" classes {data.first_cat} to {data.n_classes - 1} have a background of {level:g}, in training and at"
                f" test: a pixel x is x + {level:g} (1 - x). The others have none."
            )
            yield _of_data(key, text)


def _norm(kind: Kind) -> Statement:
    text = f"{kind.name[0].upper()}{kind.name[1:]} is that of {kind.paper} (eps = {{norm_eps}})."
    return Statement(f"norm-{kind.key}", NETWORKS, text, lambda f: f.norm(kind.key))


STATEMENTS = (
    *(_data(*item) for item in PAPERS_OF_DATA.items()),
    *_tied(),
    Statement(
        "data-own", DATA, f"The data are {{dataset}}, a file of our own (sha256 {{own_sha256}}): {IMAGES}", Has.own_data
    ),
    Statement(
        "unequal-classes",
        DATA,
        "The test classes are not of equal size: the largest is {chance} of all. Balanced accuracy is the mean over the"
        " classes of the share of a class's images that is answered correctly [@brodersen2010].",
        Has.unequal_classes,
    ),
    Statement(
        "networks",
        NETWORKS,
        "Networks have {layers}{activation}. They are trained on cross-entropy.",
        no(Has.own_network),
    ),
    Statement(
        "own-network",
        NETWORKS,
        "Networks are made by the function {network}, which is given the arm. They take {given} and are trained on"
        " cross-entropy.",
        Has.own_network,
    ),
    Statement(
        "norm-batch",
        NETWORKS,
        "Batch normalisation [@ioffe2015] stands {batch_placement} the nonlinearity of each hidden layer (eps ="
        " {norm_eps}). Each batch has a weight of {batch_momentum} in its running averages. It learns {batch_learns}.",
        lambda f: f.norm("batch"),
    ),
    Statement(
        "norm-layer",
        NETWORKS,
        "Layer normalisation [@ba2016] normalises each image over the units of a hidden layer, {layer_placement} the"
        " nonlinearity (eps = {norm_eps}). It learns {layer_learns}.",
        lambda f: f.norm("layer"),
    ),
    *(_norm(kind) for kind in NORM_KINDS.values() if kind.key not in ("batch", "layer")),
    Statement("no-bias", NETWORKS, "Linear layers in front of it have no bias in {without_bias}.", Has.without_biases),
    Statement(
        "dropout",
        NETWORKS,
        "Dropout (Srivastava et al. 2014) leaves out a share of the hidden units of each image in a training step:"
        " {dropouts}.",
        Has.dropout,
    ),
    Statement("parameters", NETWORKS, "Parameters of a network: {parameters}.", no(lambda f: f.settled("widths"))),
    Statement(
        "initialisation",
        NETWORKS,
        "Weights and biases of a layer with m inputs start uniform between -1/√m and 1/√m{bounds}.",
        every(no(Has.own_network), no(lambda f: f.settled("first weights"))),
    ),
    Statement(
        "own-initialisation",
        NETWORKS,
        "Modules draw their first weights from streams of the seed alone. Arms begin alike as far as their modules are"
        " made in the same order and shapes.",
        Has.own_network,
    ),
    Statement(
        "adam",
        NETWORKS,
        "The optimiser is Adam [@kingma2015] with {adam}, a constant learning rate and {decay}.",
        no(lambda f: f.settled("optimiser")),
    ),
    Statement(
        "epochs",
        NETWORKS,
        "A run has {epochs}. The last incomplete batch of an epoch is dropped in training, never in evaluation.",
    ),
    Statement("machine", NETWORKS, "Engine: {machine}.", Has.engine),
    Statement(
        "grid",
        DESIGN,
        "The grid has {n_settings} settings, every combination of: {levels}.",
        Has.several_settings,
    ),
    Statement(
        "slice",
        DESIGN,
        "This is a slice of the study, {slice} alone: {n_settings} of its {n_of_whole} settings. Every interval, test"
        " and family is of these.",
        Has.is_slice,
    ),
    Statement("setting", DESIGN, "The setting is {setting}.", every(no(Has.several_settings), no(Has.tuned))),
    Statement(
        "untuned-setting",
        DESIGN,
        "The setting that nobody tuned is {setting}.",
        every(no(Has.several_settings), Has.tuned),
    ),
    Statement("seeds", DESIGN, "Seeds: {seeds}.", no(Has.several_searches)),
    Statement(
        "seeds-of-searches",
        DESIGN,
        "There are {seeds_of_a_search} for each of {n_searches} searches.",
        Has.several_searches,
    ),
    Statement(
        "pairs",
        DESIGN,
        "Both runs of a pair start from the same weights and see the same batches. They differ in {differ} alone.",
        every(Has.comparisons_of_arms, no(Has.tuned), no(Has.own_network), no(Has.unpaired)),
    ),
    Statement(
        "unpaired-pairs",
        DESIGN,
        "Both runs of a pair see the same batches and start from weights of their own. They differ in {differ} and in"
        " these weights.",
        every(Has.comparisons_of_arms, no(Has.tuned), Has.unpaired),
    ),
    Statement(
        "seed-of",
        DESIGN,
        "A seed decides {seed_of} alone; all else that chance decides is that of seed 0.",
        Has.part_of_seeds,
    ),
    Statement(
        "fewer-images",
        DESIGN,
        "Fewer training images are a part of the others in the classes' shares, the same for all seeds and arms.",
        lambda f: f.settled("training images"),
    ),
    Statement(
        "wrong-labels",
        DESIGN,
        "Wrong labels are those of another class, drawn once for all seeds and arms. Accuracy on training images counts"
        " the labels as trained on, wrong ones too. Test labels are as they are.",
        lambda f: f.settled("labels"),
    ),
    Statement(
        "scaled",
        DESIGN,
        "Scaled features have mean 0 and standard deviation 1 over the training images.",
        lambda f: f.settled("features"),
    ),
    Statement(
        "own-pairs",
        DESIGN,
        "Both runs of a pair start from the same streams of random numbers and see the same batches. They differ in"
        " what the function makes of {differ}.",
        every(Has.comparisons_of_arms, no(Has.tuned), Has.own_network, no(Has.unpaired)),
    ),
    Statement(
        "tuned-pairs",
        DESIGN,
        "Both runs of a pair start from the same weights and see the images in the same order. Untuned, they differ in"
        " {differ} alone; tuned, they differ in what tuning chose as well.",
        every(Has.comparisons_of_arms, Has.tuned),
    ),
    Statement(
        "not-applicable",
        DESIGN,
        "Recorded as not applicable: {not_applicable_runs}.",
        Has.not_applicable,
    ),
    Statement(
        "endpoint",
        OUTCOME,
        "The primary endpoint is the {primary}; the secondary one is the {secondary}.",
        Has.whole_endpoint,
    ),
    Statement(
        "short-endpoint",
        OUTCOME,
        "The primary endpoint is the mean test accuracy over the {epochs} of a run; the secondary one is the"
        " {secondary}.",
        no(Has.whole_endpoint),
    ),
    Statement(
        "difference",
        OUTCOME,
        "A difference is arm minus baseline ({baseline}), in points of accuracy, of two runs with the same {key}.",
        every(Has.comparisons_of_arms, no(Has.tuned)),
    ),
    Statement(
        "tuned-difference",
        OUTCOME,
        "A difference is arm minus baseline ({baseline}), in points of accuracy, of two runs with the same seed.",
        every(Has.comparisons_of_arms, Has.tuned),
    ),
    Statement(
        "unit-of-a-grid",
        OUTCOME,
        "Over all settings, each seed's differences are averaged over the grid first. The seed is the unit, and n"
        " counts seeds.",
        every(Has.comparisons_of_arms, Has.several_settings),
    ),
    Statement(
        "unit",
        OUTCOME,
        "The seed is the unit, and n counts seeds.",
        every(Has.comparisons_of_arms, no(Has.several_settings), no(Has.several_searches)),
    ),
    Statement(
        "unit-untuned",
        OUTCOME,
        "At the setting that nobody tuned the seed is the unit, and n counts seeds.",
        Has.several_searches,
    ),
    Statement("test-images", OUTCOME, "Test images choose no epoch and no seed."),
    Statement(
        "test-images-choose-settings",
        OUTCOME,
        "They do choose each arm's best setting, for each seed on the other seeds.",
        Has.cross_fitted,
    ),
    Statement(
        "fails",
        FAILURES,
        "A run fails where it diverges, or ends with a test accuracy below {learns}.",
    ),
    Statement("none-failed", FAILURES, "No run failed.", no(Has.failures)),
    Statement("diverged", FAILURES, "A run that diverged scores chance ({chance}).", Has.divergence),
    Statement(
        "two-parts",
        FAILURES,
        "Failure is an outcome with two parts [@ich2019; @permutt2017]: whether a run learns, and the difference given"
        " that both arms learn. The difference of a setting is the second.",
        every(Has.comparisons_of_arms, Has.failures_on_the_grid),
    ),
    Statement(
        "as-they-ended",
        FAILURES,
        "Each arm at its best and the mean over all settings take all pairs, failures as they ended.",
        every(Has.comparisons_of_arms, Has.failures_on_the_grid, Has.several_settings),
    ),
    Statement(
        "tuned-as-they-ended",
        FAILURES,
        "Tuned pairs count with their failures as they ended.",
        Has.failures_of_tuned_runs,
    ),
    Statement(
        "counts-alone",
        FAILURES,
        "Where a run failed and both arms learn in fewer than {enough} pairs, the runs that learn are counted and no"
        " difference is given.",
        Has.counts_alone,
    ),
    Statement(
        "mcnemar",
        FAILURES,
        "In a setting, failures of the two arms are compared with McNemar's exact test [@mcnemar1947] and an adjusted"
        " Wald interval [@bonett2012].",
        every(Has.comparisons_of_arms, Has.failures_on_the_grid),
    ),
    Statement(
        "failures-over-settings",
        FAILURES,
        "Over all settings, a sign-flip test compares each seed's counts.",
        every(Has.comparisons_of_arms, Has.failures_on_the_grid, Has.several_settings),
    ),
    Statement(
        "worst-rank",
        FAILURES,
        "Two more analyses look at divergence: Wilcoxon's test with divergence as the worst score [@lachin1999], and"
        " bounds on the difference whatever a diverged run might have scored [@horowitz2000].",
        every(Has.comparisons_of_arms, Has.failures_on_the_grid, Has.divergence),
    ),
    Statement(
        "limits-of-shares",
        FAILURES,
        "Shares of runs that fail carry exact limits [@clopper1934].",
        Has.trained,
    ),
)
"""Statements of every study, in order."""
