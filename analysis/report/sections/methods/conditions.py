"""What does a study have that the methods speak of? Conditions on its design, its records and its results."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.findings.answer import Answer, Part
from analysis.findings.contrasts import Contrast
from analysis.findings.modes.inference_modes import CLEAN, ModeResult, Modes
from analysis.findings.results import Findings, Results
from analysis.findings.tuning import EQUAL, LISTED, ONE, Tuned
from analysis.records.cells import PLAIN
from analysis.records.rule import Rule, rule_of
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.stats.power import seeds_to_reach
from analysis.stats.sign_flips import MAX_EXACT_UNITS, is_exact
from study.spec.arms import ARMS
from study.store.scores import LAST_EPOCHS


@dataclass(frozen=True)
class Has:
    """Conditions: what this study has."""

    study: StudyData
    results: Results

    # --- what was trained

    def data(self, key: str) -> bool:
        return self.study.design.dataset == key

    def own_data(self) -> bool:
        return self.study.design.own_data is not None

    def unequal_classes(self) -> bool:
        return self.study.design.data.counts is not None

    def norm(self, kind: str) -> bool:
        """Whether an arm of the multilayer perceptron normalises in this way."""
        return not self.own_network() and any(
            norm is not None and norm.kind == kind for norm in (ARMS[arm].norm for arm in self.study.design.arms)
        )

    def dropout(self) -> bool:
        """Whether an arm leaves out units in training."""
        return not self.own_network() and any(ARMS[arm].dropout for arm in self.study.design.arms)

    def without_biases(self) -> bool:
        """Whether an arm's linear layers have no bias."""
        return not self.own_network() and not all(ARMS[arm].bias for arm in self.study.design.arms)

    def unpaired(self) -> bool:
        """Whether each arm draws initial weights of its own."""
        return self.study.design.unpaired_init

    def part_of_seeds(self) -> bool:
        """Whether a seed decides less than all that chance decides."""
        return self.study.design.seed_of != "both"

    def own_network(self) -> bool:
        """Whether a function of a user's own makes the networks."""
        return self.study.design.network is not None

    def several_settings(self) -> bool:
        return len(self.study.design.cells) > 1

    def settled(self, what: str) -> bool:
        """Whether a factor settles something of the training."""
        return fmt.settled(self.study.design, what)

    def many_factors(self) -> bool:
        """Whether the settings have more factors than one table of two ways holds."""
        return len(self.study.cell_key) > PLAIN

    def is_slice(self) -> bool:
        """Whether this is a part of a study, at some levels alone."""
        return self.study.whole is not None

    def comparisons_of_arms(self) -> bool:
        """Whether there is a baseline and an arm to compare with it."""
        return bool(self.study.treatments)

    def several_treatments(self) -> bool:
        return len(self.study.treatments) > 1

    def all_pairs(self) -> bool:
        """Whether every pair of arms is compared."""
        return self.results.all_pairs is not None

    def not_applicable(self) -> bool:
        return any(not run.applicable for run in self.study.design.runs)

    def engine(self) -> bool:
        return "engine" in self.study.manifest["device"]

    def whole_endpoint(self) -> bool:
        """Whether there are as many epochs as the primary endpoint averages."""
        return self.study.design.epochs >= LAST_EPOCHS

    # --- failures

    def _outcomes(self) -> Iterator[tuple[bool, bool]]:
        """Yield (failed, diverged) of every run, of the grid and tuned."""
        for of in filter(None, (self.study, self.study.tuned)):
            yield from zip(of.outcomes.failed, of.outcomes.diverged, strict=True)

    def failures(self) -> bool:
        return any(failed for failed, _ in self._outcomes())

    def failures_on_the_grid(self) -> bool:
        return bool(self.study.outcomes.failed.any())

    def failures_of_tuned_runs(self) -> bool:
        return self.study.tuned is not None and bool(self.study.tuned.outcomes.failed.any())

    def divergence(self) -> bool:
        return any(diverged for _, diverged in self._outcomes())

    def counts_alone(self) -> bool:
        return any(contrast.verdict == "counts alone" for contrast in self.results.contrasts)

    # --- the answer

    @property
    def answers(self) -> list[Answer]:
        return [*self.results.answers.values()]

    @property
    def parts(self) -> list[Part]:
        return [part for answer in self.answers for part in answer.parts]

    @property
    def contrasts(self) -> list[Contrast]:
        """Contrasts with a difference."""
        return [contrast for contrast in self.results.contrasts if contrast.n_pairs]

    @property
    def of_arms(self) -> list[Findings]:
        return [*self.results.of_arms.values()]

    @property
    def enough(self) -> int:
        """Pairs from which on there is a verdict."""
        return seeds_to_reach(self.results.alpha)

    def family(self) -> bool:
        """Whether differences are tested together."""
        return any(contrast.joint is not None for contrast in self.contrasts)

    def too_few(self) -> bool:
        """Whether a difference has too few pairs for a verdict."""
        return any(part.n < self.enough for part in self.parts) or any(c.n_pairs < self.enough for c in self.contrasts)

    def verdicts(self) -> bool:
        return any(part.n >= self.enough for part in self.parts)

    def cross_fitted(self) -> bool:
        """Whether seeds are scored in settings that others chose."""
        return any(part.source == "cross-fitted" and math.isfinite(part.difference.estimate) for part in self.parts)

    def cross_fitted_interval(self) -> bool:
        return any(part.source == "cross-fitted" and math.isfinite(part.difference.low) for part in self.parts)

    def tipping(self) -> bool:
        return any(part.tipping for part in self.parts) or any(contrast.tipping for contrast in self.contrasts)

    def missing(self) -> bool:
        return any(part.bounds for part in self.parts) or any(contrast.bounds for contrast in self.contrasts)

    @property
    def rule(self) -> Rule:
        return rule_of(self.study, self.results.alpha, self.results.margin)

    def rule_fixed(self) -> bool:
        return self.rule.fixed is not None

    def rule_changed(self) -> bool:
        return bool(self.rule.changed)

    # --- beside each difference

    def differences(self) -> bool:
        """Whether there is a difference of two pairs or more."""
        return any(contrast.n_pairs > 1 for contrast in self.contrasts)

    def exact_flips(self) -> bool:
        return any(contrast.n_pairs > 1 and is_exact(contrast.n_pairs) for contrast in self.contrasts)

    def random_flips(self) -> bool:
        return any(contrast.n_pairs > MAX_EXACT_UNITS for contrast in self.contrasts)

    def claims(self) -> bool:
        return bool(self.results.claims)

    def ledger(self) -> bool:
        """Whether the tutorial's claims have verdicts here."""
        return self.results.ledger is not None

    def inside(self) -> bool:
        """Whether probes measured images and the insides of networks for the ledger."""
        return self.ledger() and self.study.claims is not None and not self.study.claims.measurements.empty

    def bands(self) -> bool:
        return any(math.isfinite(low) for curve in self.results.curves for low in curve.band_low)

    # --- tuning

    @property
    def tuned_arms(self) -> list[Tuned]:
        return self.results.tuned

    def tuned(self) -> bool:
        return bool(self.results.tuned)

    def one_search(self) -> bool:
        return any(of.scope == ONE for of in self.results.tuned)

    def several_searches(self) -> bool:
        return any(of.scope != ONE for of in self.results.tuned)

    def listed_searches(self) -> bool:
        return any(of.scope == LISTED for of in self.results.tuned)

    def equal_tuning(self) -> bool:
        return any(of.scope == EQUAL for of in self.results.tuned)

    def sampler(self, name: str) -> bool:
        return self.tuned() and self.study.manifest["tuning"]["sampler"] == name

    def pruned(self) -> bool:
        return self.tuned() and self.study.manifest["tuning"]["pruner"] != "none"

    def share_of_gap(self) -> bool:
        return any(of.share is not None for of in self.results.tuned)

    def budgets(self) -> bool:
        return any(of.budgets for of in self.results.tuned)

    def breadths(self) -> bool:
        return any(of.breadths for of in self.results.tuned)

    def importances(self) -> bool:
        return any(of.importances for of in self.results.tuned)

    def cross_fitted_trials(self) -> bool:
        return any(math.isfinite(of.crossfit.interval.estimate) for of in self.results.tuned)

    # --- inference modes

    @property
    def evaluated(self) -> Modes | None:
        return self.results.modes

    @property
    def mode_results(self) -> list[ModeResult]:
        return [] if self.evaluated is None else self.evaluated.results

    def modes(self) -> bool:
        return bool(self.mode_results)

    def modes_in_batches(self) -> bool:
        return any(result.eval_batch_size for result in self.mode_results)

    def modes_against_baseline(self) -> bool:
        return any(result.against_no_norm is not None for result in self.mode_results)

    def shifts(self) -> bool:
        return any((result.shift, result.severity) != CLEAN for result in self.mode_results)

    def swaps(self) -> bool:
        return self.evaluated is not None and bool(self.evaluated.swaps)

    def compositions(self) -> bool:
        return self.evaluated is not None and bool(self.evaluated.compositions)

    def statistics(self) -> bool:
        return self.evaluated is not None and bool(self.evaluated.statistics)

    # --- further analyses

    def times(self) -> bool:
        return any(of.times for of in self.of_arms)

    def level_differences(self) -> bool:
        return any(of.level_differences for of in self.of_arms)

    def usable_rates(self) -> bool:
        return any(of.usable_rates for of in self.of_arms)

    def best_rates(self) -> bool:
        return any(len(of.best_rates) and len(self.study.design.lrs) > 1 for of in self.of_arms)

    def typical_pairs(self) -> bool:
        return any(of.typical_pairs[0].next.n for of in self.of_arms)

    def specifications(self) -> bool:
        return any(of.sensitivity.specifications for of in self.of_arms)

    def evidence(self) -> bool:
        return any(of.evidence.n for of in self.of_arms)

    def noise(self) -> bool:
        return any(of.noise for of in self.of_arms)

    def sizes(self) -> bool:
        return any(of.sizes for of in self.of_arms)

    def trained(self) -> bool:
        return bool(self.results.arm_cells)

    def beside_in_common(self) -> bool:
        """Whether another study has a setting in common, and seeds to compare them within."""
        return any(comparison.n_common > 1 for comparison in self.results.comparisons)

    def beside_at_best(self) -> bool:
        """Whether the arms at their best are compared with those of another study."""
        return any(of.best and math.isfinite(of.best.difference.low) for of in self.results.comparisons)
