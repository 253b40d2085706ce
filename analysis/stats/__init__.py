"""Arrays in, small named results out; numpy and scipy alone.

>>> from analysis.stats import paired_t, sign_flip
>>> hours = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]  # of sleep gained, a pair each (Student 1908)
>>> round(paired_t(hours).pvalue, 6), sign_flip(hours).pvalue
(0.002833, 0.00390625)
"""

from analysis.stats.binary_outcomes import count_sign_flip, mcnemar, risk_difference, survivors, worst_rank
from analysis.stats.effect_sizes import cohen_dz, hedges_gz, prob_better
from analysis.stats.evalues import sign_e_process
from analysis.stats.families import simultaneous_inference
from analysis.stats.grid import best_rate, largest_rate, level_differences
from analysis.stats.intervals import (
    bootstrap_t,
    fieller,
    hodges_lehmann,
    prediction,
    proportion,
    sign_flip_interval,
    simultaneous,
    t_interval,
    upper_share,
)
from analysis.stats.multiple_tests import holm, max_t
from analysis.stats.null_calibration import type_i_error_rates
from analysis.stats.paired_tests import equivalence, paired_t, sign_flip, wilcoxon
from analysis.stats.power import (
    attainable_p,
    paired_t_power,
    plan,
    real_seeds_needed,
    seeds_for_equivalence,
    seeds_needed,
    seeds_to_reach,
    smallest_detectable,
    upper_sd,
)
from analysis.stats.secondary.clustered_shares import clustered_share
from analysis.stats.secondary.interquartile_mean import interquartile_mean
from analysis.stats.secondary.next_pair import next_pair
from analysis.stats.secondary.seed_variance import seed_variance
from analysis.stats.secondary.specification_curves import joint_sign_flip, signed_ranks
from analysis.stats.time_to_event import first_epoch, time_to_accuracy
from analysis.stats.tuning.cross_fitting import crossfit
from analysis.stats.tuning.good_regions import good_region, good_region_difference
from analysis.stats.tuning.tuning_curves import expected_best, expected_best_band, expected_best_difference
from analysis.stats.variance_components import spread, two_way, variance_ratio

__all__ = [
    "attainable_p",
    "best_rate",
    "bootstrap_t",
    "clustered_share",
    "cohen_dz",
    "count_sign_flip",
    "crossfit",
    "equivalence",
    "expected_best",
    "expected_best_band",
    "expected_best_difference",
    "fieller",
    "first_epoch",
    "good_region",
    "good_region_difference",
    "hedges_gz",
    "hodges_lehmann",
    "holm",
    "interquartile_mean",
    "joint_sign_flip",
    "largest_rate",
    "level_differences",
    "max_t",
    "mcnemar",
    "next_pair",
    "paired_t",
    "paired_t_power",
    "plan",
    "prediction",
    "prob_better",
    "proportion",
    "real_seeds_needed",
    "risk_difference",
    "seed_variance",
    "seeds_for_equivalence",
    "seeds_needed",
    "seeds_to_reach",
    "sign_e_process",
    "sign_flip",
    "sign_flip_interval",
    "signed_ranks",
    "simultaneous",
    "simultaneous_inference",
    "smallest_detectable",
    "spread",
    "survivors",
    "t_interval",
    "time_to_accuracy",
    "two_way",
    "type_i_error_rates",
    "upper_sd",
    "upper_share",
    "variance_ratio",
    "wilcoxon",
    "worst_rank",
]
