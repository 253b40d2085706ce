"""What else was analysed? Tuning, inference modes, and what stands beside the answer; how numbers are shown."""

from analysis.report.sections.methods.conditions import Has
from analysis.report.sections.methods.statements import Statement, every, no

TUNING, MODES, FURTHER, NUMBERS = "Tuning", "Inference modes", "Further analyses", "Numbers"

STATEMENTS = (
    Statement(
        "budget",
        TUNING,
        "Each arm had {budget} in one space ({space}). Trials trained on {n_left} of the training images and were"
        " scored on the other {n_held_out}; a seed that diverged scores 0. An arm's configuration is the one whose"
        " trial has the best mean score. Fresh seeds of it, on all training images, give the answer: test images had"
        " no part in the choice.",
        Has.tuned,
    ),
    Statement(
        "sobol",
        TUNING,
        "Configurations are points of a scrambled Sobol set [@owen1998], the same for all arms.",
        lambda f: f.sampler("sobol"),
    ),
    Statement(
        "sampler",
        TUNING,
        "The sampler {tuning[sampler]} of Optuna [@akiba2019] drew configurations where earlier ones had gone well.",
        every(Has.tuned, no(lambda f: f.sampler("sobol"))),
    ),
    Statement(
        "pruner", TUNING, "The pruner {tuning[pruner]} of Optuna [@akiba2019] stopped poor trials early.", Has.pruned
    ),
    Statement(
        "chosen",
        TUNING,
        "The search chose {chosen}. The seeds are a sample of these two configurations: another search chooses others.",
        every(Has.one_search, no(Has.several_treatments)),
    ),
    Statement(
        "chosen-of-several-arms",
        TUNING,
        "The search chose {chosen}. The seeds are a sample of these configurations: another search chooses others.",
        every(Has.one_search, Has.several_treatments),
    ),
    Statement(
        "searches",
        TUNING,
        "There were {n_searches} searches, each with other points and other seeds. The search is the unit of tuned"
        " differences.",
        Has.several_searches,
    ),
    Statement("listed", TUNING, "They are too few for an interval, so they are listed.", Has.listed_searches),
    Statement(
        "equal-tuning",
        TUNING,
        "The interval and the verdict are Student's [@student1908] over their mean differences.",
        Has.equal_tuning,
    ),
    Statement(
        "share-of-gap",
        TUNING,
        "The share of a difference that tuning takes away is a ratio with Fieller's interval [@fieller1954].",
        Has.share_of_gap,
    ),
    Statement(
        "trials-cross-fitted",
        TUNING,
        "On the trials themselves, each seed is scored in the configuration that was best on the other seeds.",
        Has.cross_fitted_trials,
    ),
    Statement(
        "budgets",
        TUNING,
        "What a budget buys is the expected best of so many trials [@dodge2019], drawn without replacement, which is"
        " unbiased [@tang2020]. Its band holds for all budgets and follows from one for the law of the scores"
        " [@lourie2024; @aldornoiman2013]; it takes the points for independent ones.",
        Has.budgets,
    ),
    Statement(
        "breadths",
        TUNING,
        "The difference of the shares of the space that are good has Tango's interval [@tango1998] and McNemar's test"
        " [@mcnemar1947].",
        Has.breadths,
    ),
    Statement("importances", TUNING, "Importances are those of PED-ANOVA [@watanabe2023].", Has.importances),
    Statement(
        "modes",
        MODES,
        "Networks predicted the test images in several ways, {modes_where}: {mode_names}. Pairs are networks: two ways"
        " differ in nothing else. The ways of one condition are tested together by step-down max-T [@westfall1993].",
        Has.modes,
    ),
    Statement("mode-batches", MODES, "Test batches had {batch_sizes}.", Has.modes_in_batches),
    Statement(
        "modes-against-baseline",
        MODES,
        "They are compared with networks without normalisation too, paired by seed.",
        Has.modes_against_baseline,
    ),
    Statement("shifts", MODES, "The same was done on test images that were changed: {shift_names}.", Has.shifts),
    Statement(
        "swaps",
        MODES,
        "To see what other images of a batch do, an image was predicted in two batches that share all but some of its"
        " companions.",
        Has.swaps,
    ),
    Statement(
        "compositions",
        MODES,
        "All test images were predicted in many random compositions of the batches.",
        Has.compositions,
    ),
    Statement(
        "statistics",
        MODES,
        "Statistics from training are compared with those of all training images under the final weights.",
        Has.statistics,
    ),
    Statement(
        "times",
        FURTHER,
        "The time to an accuracy ({thresholds} %) is the first epoch after which a run that never diverges has reached"
        " it; other runs count with all epochs. The thresholds were fixed before looking.",
        Has.times,
    ),
    Statement(
        "times-tested",
        FURTHER,
        "They are tested together by step-down max-T [@westfall1993].",
        every(Has.times, Has.differences),
    ),
    Statement(
        "level-differences",
        FURTHER,
        "Changes of the difference from level to level of the grid are one family, by sup-t [@montielolea2019].",
        every(Has.level_differences, Has.differences),
    ),
    Statement(
        "changes-along-factors",
        FURTHER,
        "Of a factor, neighbouring numbers are compared and every two names, averaged over the other factors.",
        every(Has.level_differences, Has.differences, Has.many_factors),
    ),
    Statement(
        "usable-rates",
        FURTHER,
        "The largest usable rates of the arms are compared by their ratio within a seed, with a sign-flip test.",
        Has.usable_rates,
    ),
    Statement(
        "best-rates",
        FURTHER,
        "Best rates are chosen anew in every resample of the seeds [@davison1997].",
        Has.best_rates,
    ),
    Statement(
        "specifications",
        FURTHER,
        "Every combination of endpoint, failure rule, settings and test is computed, with one test that flips each"
        " seed's sign in all of them [@simonsohn2020]. Its sign-flip interval is Hartigan's [@hartigan1969].",
        Has.specifications,
    ),
    Statement(
        "typical-pairs",
        FURTHER,
        "The mean of the middle half of the seeds' differences (interquartile mean) has the jackknife's error over the"
        " seeds and half of their degrees of freedom [@tukey1963]. The predictive probability that the next pair is"
        " worse [@gelman2013] stands beside the share of pairs that were.",
        every(Has.typical_pairs, Has.differences),
    ),
    Statement(
        "shares",
        FURTHER,
        "Shares of runs that end above an accuracy have limits for which the seeds are the sample [@korn1998].",
        Has.trained,
    ),
    Statement(
        "noise",
        FURTHER,
        "Seeds and test images are crossed sources of the variance of a difference [@owen2007].",
        every(Has.noise, Has.differences),
    ),
    Statement(
        "seed-noise",
        FURTHER,
        "Of the spread of an arm over seeds, the part that the finite test set makes is given [@jordan2023].",
        Has.trained,
    ),
    Statement(
        "sizes",
        FURTHER,
        "Each method is tried on the same data with the labels of the arms swapped within seeds, where there is"
        " nothing to find.",
        Has.sizes,
    ),
    Statement(
        "evidence",
        FURTHER,
        "The e-value bets on the signs of the pairs, ties left out, with a Beta(1/2, 1/2) mixture [@ville1939].",
        Has.evidence,
    ),
    Statement(
        "beside-in-common",
        FURTHER,
        "In settings that another study has too, the two are compared within the seeds that both have.",
        Has.beside_in_common,
    ),
    Statement(
        "beside-at-best",
        FURTHER,
        "Each arm at its best is compared between studies from the ends of both intervals, as wide as if the estimates"
        " moved against one another [@zou2008]: seeds in common are not needed, and narrow nothing.",
        Has.beside_at_best,
    ),
    Statement(
        "random-draws",
        NUMBERS,
        "Random draws of the analysis follow from a hash of the data: the same records give the same numbers.",
        Has.comparisons_of_arms,
    ),
    Statement(
        "digits",
        NUMBERS,
        "Digits follow from the interval: two of its half width, one where they begin with 36 or more.",
        Has.comparisons_of_arms,
    ),
)
"""Statements on analyses beside the answer, in order."""
