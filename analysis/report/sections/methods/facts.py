"""The words of the methods: what stands for ``{a name}`` in a statement, from design, records and results."""

from collections.abc import Callable
from typing import Any

from analysis.findings.modes.inference_modes import CLEAN
from analysis.records.tables import ENDPOINTS, PRIMARY
from analysis.report import number_format as fmt
from analysis.report.sections.methods.conditions import Has
from analysis.report.sentences import inference as inference_sentences
from analysis.report.sentences import study_words
from analysis.stats.sign_flips import MAX_EXACT_UNITS, MAX_PATTERNS
from analysis.stats.time_to_event import THRESHOLDS
from study.spec.arms import ARMS, Norm
from study.spec.claims.rules import MOST_FAILED
from study.spec.constants import ADAM, NORM_EPS, initial_bound
from study.spec.datasets import OwnFile
from study.spec.factors import FACTORS, Factor, rounded
from study.spec.history import NOT_APPLICABLE

LEARNT = {
    (True, True): "a gain, which starts at 1, and a shift, which starts at 0",
    (True, False): "a gain, which starts at 1",
    (False, True): "a shift, which starts at 0",
    (False, False): "neither gain nor shift",
}
"""Words on whether gamma and beta are learnt."""


def _weight(norm: Norm) -> str:
    """Return the weight of the newest batch in the running averages."""
    return f"{norm.momentum:g}" if isinstance(norm.momentum, float | int) else "1/k, after k batches,"


class Facts(Has):
    """Conditions and words of a study."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    # --- what was trained

    @property
    def dataset(self) -> str:
        return fmt.dataset(self.study.design.dataset)

    @property
    def own_sha256(self) -> str:
        source = self.study.design.data.source
        return source.sha256 if isinstance(source, OwnFile) else ""

    @property
    def n_train(self) -> str:
        return f"{self.study.design.data.n_train:,}"

    @property
    def n_test(self) -> str:
        return f"{self.study.design.data.n_test:,}"

    @property
    def n_features(self) -> int:
        return self.study.design.data.n_features

    @property
    def n_classes(self) -> int:
        return self.study.design.data.n_classes

    @property
    def widths(self) -> str:
        return fmt.network(self.study.design)

    @property
    def network(self) -> str:
        """A network of a user's own, with the digest of its file."""
        network = self.study.design.network
        assert network is not None
        return f"{network.name} (sha256 {network.sha256})"

    @property
    def given(self) -> str:
        """What a network of a user's own takes."""
        network = self.study.design.network
        assert network is not None
        forms = dict.fromkeys("images" if known.images else "rows of features" for known in network.arms)
        return fmt.listing([*forms])

    @property
    def layers(self) -> str:
        return "the layers of their setting" if self.settled("widths") else f"layers of {self.widths} units"

    @property
    def up_to(self) -> str:
        """What stands before the number of images to train on."""
        return "up to " if self.settled("training images") else ""

    @property
    def decay(self) -> str:
        return "the weight decay of the setting" if self.settled("weight decay") else "no weight decay"

    @property
    def activation(self) -> str:
        return fmt.activation(self.study.design)

    @property
    def parameters(self) -> str:
        design = self.study.design
        counts = [f"{design.n_parameters(arm):,} {fmt.side(arm)}" for arm in design.arms]
        return fmt.listing(counts)

    @property
    def bounds(self) -> str:
        """Ends of the first weights by layer, in brackets; nothing where layers differ."""
        if self.settled("widths"):
            return ""
        ends = fmt.listing([f"{initial_bound(n):.3g}" for n in self.study.design.widths[:-1]])
        return f" (from the first layer to the last: ±{ends})"

    def _of_kind(self, kind: str, word: Callable[[Norm], str]) -> str:
        """Return what a word is of the arms that normalise in this way: with the arms of each where they differ."""
        norms = {arm: ARMS[arm].norm for arm in self.study.design.arms}
        words = {arm: word(norm) for arm, norm in norms.items() if norm is not None and norm.kind == kind}
        arms = {text: [fmt.side(arm) for arm, own in words.items() if own == text] for text in words.values()}
        if len(arms) == 1:
            return next(iter(arms))
        return " or ".join(f"{text} ({fmt.listing(names)})" for text, names in arms.items())

    @property
    def batch_placement(self) -> str:
        return self._of_kind("batch", lambda norm: norm.placement)

    @property
    def layer_placement(self) -> str:
        return self._of_kind("layer", lambda norm: norm.placement)

    @property
    def batch_momentum(self) -> str:
        return self._of_kind("batch", _weight)

    @property
    def batch_learns(self) -> str:
        return self._of_kind("batch", lambda norm: LEARNT[norm.gamma, norm.beta])

    @property
    def layer_learns(self) -> str:
        return self._of_kind("layer", lambda norm: LEARNT[norm.gamma, norm.beta])

    @property
    def without_bias(self) -> str:
        return fmt.listing([fmt.arm_name(arm) for arm in self.study.design.arms if not ARMS[arm].bias])

    @property
    def dropouts(self) -> str:
        arms = [arm for arm in self.study.design.arms if ARMS[arm].dropout]
        return fmt.listing([f"{fmt.percent(ARMS[arm].dropout, 0)} {fmt.side(arm)}" for arm in arms])

    @property
    def seed_of(self) -> str:
        return study_words.SEED_OF[self.study.design.seed_of]

    @property
    def norm_eps(self) -> str:
        return _scientific(NORM_EPS)

    @property
    def adam(self) -> str:
        return f"beta1 = {ADAM.beta1:g}, beta2 = {ADAM.beta2:g}, eps = {_scientific(ADAM.eps)}"

    @property
    def epochs(self) -> str:
        return fmt.units(self.study.design.epochs, "epochs")

    @property
    def n_settings(self) -> int:
        return len(self.study.design.cells)

    @property
    def slice(self) -> str:
        return self.study.where

    @property
    def n_of_whole(self) -> int:
        return len((self.study.whole or self.study).design.cells)

    @property
    def levels(self) -> str:
        """Every factor with its levels."""
        return "; ".join(self._levels(factor) for factor in self.study.design.factors)

    def _levels(self, factor: Factor) -> str:
        levels = self.study.design.levels(factor.key)
        return f"{factor.axis} {fmt.listing([factor.show(level) for level in levels])}"

    @property
    def setting(self) -> str:
        return fmt.cell(self.study.design.cells[0])

    @property
    def seeds(self) -> str:
        seeds = self.study.design.seeds
        whole = len(seeds) > 1 and seeds[-1] - seeds[0] == len(seeds) - 1
        which = f"{seeds[0]} to {seeds[-1]}" if whole else fmt.listing([*map(str, seeds[:20])])
        more = f" and {len(seeds) - 20:,} more" if not whole and len(seeds) > 20 else ""
        return f"{len(seeds):,} ({which}{more})"

    @property
    def seeds_of_a_search(self) -> str:
        return fmt.seeds(len(self.study.design.seeds_of(1)))

    @property
    def differ(self) -> str:
        """What the two runs of a pair differ in."""
        return " or ".join(fmt.treatments(self.study.design.arms, self.study.baseline))

    @property
    def not_applicable_runs(self) -> str:
        counts = self.study.runs[self.study.runs.status == NOT_APPLICABLE].arm.value_counts(sort=False)
        smallest = {arm: fmt.units(ARMS[arm].smallest_batch, "images") for arm in map(str, counts.index)}
        parts = [
            f"{fmt.units(n, 'runs')} {fmt.side(arm)} (a batch has at least {smallest[arm]})"
            for arm, n in zip(smallest, counts, strict=True)
        ]
        return fmt.listing(parts)

    @property
    def machine(self) -> str:
        device, versions = self.study.manifest["device"], self.study.manifest["versions"]
        named = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch") if name in versions)
        return f"{device['engine']}{f' ({named})' if named else ''}"

    # --- outcome and failures

    @property
    def primary(self) -> str:
        return ENDPOINTS[PRIMARY]

    @property
    def secondary(self) -> str:
        return next(text for name, text in ENDPOINTS.items() if name != PRIMARY)

    @property
    def key(self) -> str:
        return fmt.listing([*(factor.axis for factor in self.study.design.factors), "seed"])

    @property
    def learns(self) -> str:
        return fmt.percent(self.study.learning_threshold, 0)

    @property
    def chance(self) -> str:
        return fmt.percent(self.study.chance)

    # --- tests

    @property
    def alpha(self) -> str:
        return fmt.level(self.results.alpha)

    @property
    def level(self) -> str:
        return fmt.level(1 - self.results.alpha)

    @property
    def inner(self) -> str:
        return fmt.level(1 - 2 * self.results.alpha)

    @property
    def margin(self) -> str:
        return fmt.margin(self.results.margin)

    @property
    def fixed_alpha(self) -> str:
        assert self.rule.fixed is not None
        return fmt.level(self.rule.fixed.alpha)

    @property
    def fixed_margin(self) -> str:
        assert self.rule.fixed is not None
        return fmt.margin(self.rule.fixed.margin)

    @property
    def fixed_on(self) -> str:
        assert self.rule.fixed is not None
        return self.rule.fixed.date

    @property
    def n_treatments(self) -> int:
        return len(self.study.treatments)

    @property
    def n_ledger_rows(self) -> int:
        assert self.results.ledger is not None
        return len(self.results.ledger.rows)

    @property
    def n_ledger_controls(self) -> int:
        assert self.results.ledger is not None
        return len(self.results.ledger.entries) - len(self.results.ledger.rows)

    @property
    def most_failed(self) -> str:
        return fmt.percent(MOST_FAILED, 0)

    @property
    def baseline(self) -> str:
        return fmt.arm_name(self.study.baseline)

    @property
    def n_pairs_of_arms(self) -> int:
        assert self.results.all_pairs is not None
        return self.results.all_pairs.n_pairs

    @property
    def ranking_setting(self) -> str:
        assert self.results.all_pairs is not None
        return fmt.cell(self.results.all_pairs.cell)

    @property
    def exact_up_to(self) -> int:
        return MAX_EXACT_UNITS

    @property
    def patterns(self) -> str:
        return f"{MAX_PATTERNS:,}"

    @property
    def thresholds(self) -> str:
        return fmt.listing([f"{100 * threshold:g}" for threshold in THRESHOLDS])

    # --- tuning

    @property
    def tuning(self) -> dict[str, Any]:
        return self.study.manifest["tuning"]

    @property
    def budget(self) -> str:
        chosen = self.tuned_arms[0].chosen[0]
        epochs = fmt.units(self.tuning["epochs"], "epochs")
        return f"{fmt.trials(chosen.n_trials)} of {fmt.seeds(chosen.n_seeds)} and {epochs}"

    @property
    def space(self) -> str:
        ranges = ((FACTORS[key], levels) for key, levels in self.tuned_arms[0].space.items())
        return fmt.listing([f"{f.axis} {f.show(low)} to {f.show(high)}" for f, (low, high) in ranges])

    @property
    def n_held_out(self) -> str:
        return f"{self.tuned_arms[0].n_held_out:,}"

    @property
    def n_left(self) -> str:
        """Images that trials train on."""
        return f"{self.study.design.data.n_train - self.tuned_arms[0].n_held_out:,}"

    @property
    def n_searches(self) -> int:
        return len(self.tuned_arms[0].searches)

    @property
    def chosen(self) -> str:
        every = {one.arm: one.cell for of_arm in self.tuned_arms for one in of_arm.chosen}
        return fmt.listing([f"{fmt.cell(rounded(cell))} {fmt.side(arm)}" for arm, cell in every.items()])

    # --- inference modes

    @property
    def mode_names(self) -> str:
        assert self.evaluated is not None
        return "; ".join(dict.fromkeys(result.mode.label for result in self.evaluated.on_clean))

    @property
    def batch_sizes(self) -> str:
        """Sizes of test batches, with the orders of their images."""
        assert self.evaluated is not None
        batched = [result for result in self.evaluated.on_clean if result.eval_batch_size]
        sizes = sorted({result.eval_batch_size for result in batched if result.eval_batch_size})
        orders = dict.fromkeys(inference_sentences.ORDERS[result.order] for result in batched if result.order)
        return f"{fmt.listing([f'{size:,}' for size in sizes])} images ({fmt.listing([*orders])})"

    @property
    def modes_where(self) -> str:
        assert self.evaluated is not None
        return inference_sentences.where(self.evaluated)

    @property
    def shift_names(self) -> str:
        shifts = dict.fromkeys(result.shift for result in self.mode_results if result.shift != CLEAN[0])
        return fmt.listing([inference_sentences.condition(shift, 0) for shift in shifts])


def _scientific(value: float) -> str:
    """Return a small number with its power of ten.

    >>> _scientific(1e-08), _scientific(1e-05)
    ('1e-8', '1e-5')
    """
    return f"{value:.0e}".replace("e-0", "e-")
