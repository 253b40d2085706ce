"""How was the answer made? The tests and intervals that decide, and what stands beside each difference."""

from analysis.report.sections.methods.conditions import Has
from analysis.report.sections.methods.statements import Statement, every, no

ANSWER, BESIDE = "Tests of the answer", "Beside each difference"

STATEMENTS = (
    Statement(
        "family",
        ANSWER,
        "The settings and their mean are one family. Its intervals are mean ± c s/√n, where c is the quantile of the"
        " largest |t| over all members when the centred differences of a seed change their signs together. This is the"
        " sup-t method [@montielolea2019]. An adjusted p is the share of those patterns of signs, the observed one"
        " among them, that are at least as large [@westfall1993; @phipson2010].",
        every(Has.family, Has.several_settings),
    ),
    Statement(
        "one-setting",
        ANSWER,
        "The interval of a difference is mean ± c s/√n, where c is the quantile of |t| when the centred differences"
        " change their signs [@montielolea2019].",
        every(Has.family, no(Has.several_settings)),
    ),
    Statement(
        "verdict",
        ANSWER,
        "A verdict is what the interval says: better or worse where it excludes zero. Equivalent means that the"
        " {inner} interval lies within a margin of {margin}, by two one-sided tests [@schuirmann1987].",
        Has.verdicts,
    ),
    Statement(
        "equivalent-everywhere",
        ANSWER,
        "The mean over the settings is equivalent where the {inner} interval of every setting lies within the margin"
        " too: an intersection-union test [@berger1982].",
        every(Has.family, Has.several_settings),
    ),
    Statement(
        "rule",
        ANSWER,
        "A significance level of {fixed_alpha} and a margin of {fixed_margin} were fixed on {fixed_on}, before"
        " the first run.",
        Has.rule_fixed,
    ),
    Statement(
        "another-rule",
        ANSWER,
        "This analysis takes {alpha} and {margin} instead, chosen after looking.",
        Has.rule_changed,
    ),
    Statement(
        "no-rule",
        ANSWER,
        "The significance level of {alpha} and the margin of {margin} were chosen after looking.",
        every(Has.comparisons_of_arms, no(Has.rule_fixed)),
    ),
    Statement(
        "too-few",
        ANSWER,
        "A difference of fewer than {enough} pairs has no verdict.",
        Has.too_few,
    ),
    Statement(
        "students-interval",
        ANSWER,
        "Its interval is Student's [@student1908].",
        every(Has.too_few, Has.differences),
    ),
    Statement(
        "cross-fitted",
        ANSWER,
        "For each arm at its best, a seed is scored in the setting that was best on the other seeds.",
        Has.cross_fitted,
    ),
    Statement(
        "cross-fitted-interval",
        ANSWER,
        "That difference is tested by itself at {alpha}. The choice is repeated in every resample of the seeds"
        " [@davison1997], and the interval is never shorter than Student's.",
        Has.cross_fitted_interval,
    ),
    Statement(
        "tipping",
        ANSWER,
        "A better arm carries its tipping rate: the share of its runs that would have to collapse to chance for the"
        " difference to vanish. Beside it stands the one-sided exact limit [@clopper1934] of the share of seeds with a"
        " failed run.",
        Has.tipping,
    ),
    Statement(
        "missing",
        ANSWER,
        "Runs that are missing of a begun seed bound the difference [@horowitz2000]. Where the bounds disagree, no"
        " verdict is given.",
        Has.missing,
    ),
    Statement(
        "several-arms",
        ANSWER,
        "The {n_treatments} arms are compared with {baseline} as one family [@dunnett1955]: |t| is the largest over all"
        " arms, settings and means, and a seed's whole row changes its signs. The intervals of arms at their best and"
        " those that decide on equivalence hold for all arms by Bonferroni's level [@dunn1961]. Times, rates, noise and"
        " sensitivity are told of each arm by itself.",
        Has.several_treatments,
    ),
    Statement(
        "all-pairs",
        ANSWER,
        "All {n_pairs_of_arms} pairs of arms are another such family, over the settings and their mean. Arms are ranked"
        " at {ranking_setting}, where their mean accuracy is largest.",
        Has.all_pairs,
    ),
    Statement(
        "paired-t",
        BESIDE,
        "These are tests of one difference alone. The paired t test [@student1908] assumes normal differences. The"
        " sign-flip test [@fisher1935] assumes labels exchangeable within a pair, so that differences are symmetric"
        " about zero.",
        Has.differences,
    ),
    Statement(
        "exact-flips",
        BESIDE,
        "It is exact up to {exact_up_to} pairs, over all 2ⁿ patterns of signs; its p is never below 2/2ⁿ.",
        Has.exact_flips,
    ),
    Statement(
        "random-flips",
        BESIDE,
        "Beyond {exact_up_to} pairs it takes {patterns} random patterns of signs.",
        Has.random_flips,
    ),
    Statement(
        "holm",
        BESIDE,
        "Holm's method [@holm1979] adjusts it for the number of settings.",
        every(Has.differences, Has.several_settings),
    ),
    Statement(
        "ranks",
        BESIDE,
        "Wilcoxon's test [@wilcoxon1945] is exact with ties. The Hodges-Lehmann shift [@hodges1963] carries the"
        " interval of that test. The effect size g_z is the mean over the standard deviation of the differences,"
        " without its small-sample bias [@hedges1981].",
        Has.differences,
    ),
    Statement(
        "paired-lines",
        BESIDE,
        "Paired lines are drawn beside their difference [@gardner1986].",
        Has.differences,
    ),
    Statement("bands", BESIDE, "Bands of whole learning curves are sup-t too [@montielolea2019].", Has.bands),
    Statement(
        "claims",
        BESIDE,
        "The tutorial's numbers stand beside Student's prediction interval for one more run that learns [@hahn1991].",
        Has.claims,
    ),
)
"""Statements on what decides and what stands beside it, in order."""
