"""One arm's search: an Optuna study whose trials are asked for, trained elsewhere and told, by any number of workers.

**Slots.** A search over n trials has the slots 0 to n - 1. Each slot is put in the queue as a waiting trial, and a slot
whose trial failed, or whose worker died, is put there again with the same parameters. So the target is a total, a
restart finds what is missing, and two workers that fill the queue at once do no harm: of several trials of a slot the
one with the lowest number counts, which every worker sees alike, since a trial and its slot are written as one.

**Who is alive.** A worker holds a lock in the study's folder as long as it lives, and says on each of its trials who it
is and when it was last seen (``study.tuning.lease``).
"""

import hashlib
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from study.errors import EnvironmentFault, UsageError, describe_value
from study.spec.factors import Cell
from study.tuning.lease import Lease
from study.tuning.space import Space, point

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

SAMPLERS = ("sobol", "tpe", "gp")
PRUNERS = ("none", "median", "halving")
SLOT, WORKER, SEEN, SCORES = "slot", "worker", "seen", "scores"
"""What a trial says of itself."""
ORPHAN_TIMEOUT = 30.0
"""Seconds after which a trial that runs without saying for whom is tried again: its worker died between two writes. One
that was only slow comes too late to tell it."""
HEARTBEAT_EVERY = 30.0


@dataclass(frozen=True)
class SearchConfiguration:
    """What both arms' searches have in common, and what no later command may change."""

    dataset: str
    data: str
    """The sha256 over the files of the data set."""
    space: str
    epochs: int
    hidden: tuple[int, ...]
    seeds: tuple[int, ...]
    engine: str
    sampler: str
    sampler_seed: int
    pruner: str

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Score:
    """One seed of a trial, on the held-out images after its last epoch; None where it diverged."""

    seed: int
    epoch: int
    loss: float | None
    n_correct: int | None
    n_examples: int
    first_bad_epoch: int | None

    @property
    def accuracy(self) -> float:
        """The worst there is where the seed diverged: an outcome, not a gap."""
        return 0.0 if self.n_correct is None else self.n_correct / self.n_examples


@dataclass(frozen=True)
class Finished:
    """A slot's trial that was told: ``pruned`` where it was stopped before its last epoch."""

    slot: int
    point: Cell
    scores: tuple[Score, ...]
    pruned: bool

    @property
    def value(self) -> float:
        return mean_accuracy(self.scores)

    @property
    def n_correct(self) -> int:
        """Over all seeds: what the value is made of, without rounding."""
        return sum(score.n_correct or 0 for score in self.scores)


def mean_accuracy(scores: Sequence[Score]) -> float:
    """A trial's value: the mean over its seeds."""
    return sum(score.accuracy for score in scores) / len(scores)


def best(finished: Sequence[Finished]) -> Finished:
    """The trial with the highest value of those that trained to the end; of equal ones the first slot's."""
    return max((trial for trial in finished if not trial.pruned), key=lambda trial: (trial.n_correct, -trial.slot))


class Search:
    """The trials of one arm, as this worker sees them."""

    def __init__(
        self, storage: "BaseStorage", name: str, terms: SearchConfiguration, presence: Lease, shared_lock: bool
    ):
        """``shared_lock``: every worker asks under a lock of the study's folder, so that a trial which runs without
        saying for whom was left by a dead one. The Optuna study ``name`` is made where it is not there yet; a
        UsageError where it was made on other terms."""
        import optuna

        self.terms, self.presence, self.shared_lock = terms, presence, shared_lock
        self.space = Space.parse(terms.space)
        self.owned: dict[int, Trial] = {}
        self.seen = time.monotonic()
        self.study: Study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(),  # of no account: all that is asked for stands in the queue
            pruner=_pruner(terms),
        )
        self._check_terms(name)

    def _check_terms(self, name: str) -> None:
        wanted = self.terms.to_dict()
        if "terms" not in self.study.user_attrs:
            self.study.set_user_attr("terms", wanted)
        has = self.study.user_attrs["terms"]
        changed = [
            f"{key}: the search has {_told_list(has.get(key))}, the command asks for {_told_list(value)}"
            for key, value in wanted.items()
            if not isinstance(has, dict) or has.get(key) != value
        ]
        if changed:
            raise UsageError(
                f"the search {name} was begun otherwise:\n  " + "\n  ".join(changed) + "\nIt can be extended by more"
                " --trials; for anything else choose another --study-id."
            )

    @property
    def prunes(self) -> bool:
        """Whether trials may be stopped before their last epoch."""
        return self.terms.pruner != "none"

    def check_total(self, arm: str, n_trials: int) -> None:
        """Refuse a total below what there is: trials are not taken back."""
        most = 1 + max(self._counting(), default=-1)
        if most > n_trials:
            raise UsageError(f"--trials {n_trials}: the search of {arm} has {most} trials already; give {most} or more")

    # --- what there is

    def _trials(self, *states: str) -> list["FrozenTrial"]:
        """In the order of their numbers."""
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=[TrialState[state] for state in states])

    def _counting(self) -> dict[int, "FrozenTrial"]:
        """The trial that counts, by slot: the lowest number that did not fail."""
        counting: dict[int, FrozenTrial] = {}
        for trial in self._trials("WAITING", "RUNNING", "COMPLETE", "PRUNED"):
            if SLOT in trial.user_attrs:
                counting.setdefault(trial.user_attrs[SLOT], trial)
        return counting

    def finished(self) -> list[Finished]:
        """The slots that were told, in order."""
        describe_value = {slot: trial for slot, trial in self._counting().items() if trial.state.is_finished()}
        try:
            return [_finished(slot, trial) for slot, trial in sorted(describe_value.items())]
        except (KeyError, TypeError, ValueError) as error:
            raise EnvironmentFault(
                f"the search {self.study.study_name} has a trial that was not told by this program: {error!r}. Restore"
                " its storage, or choose another --study-id."
            ) from None

    # --- asking

    def enqueue_missing(self, n_trials: int, at_once: int) -> None:
        """Give up the trials of dead workers, and put into the queue what was tried and not told, as it was; else the
        next slots, ``at_once`` of them unless their points are known beforehand."""
        for trial in self._trials("RUNNING"):
            if not self._lives(trial):
                self._tell(trial.number, "FAIL")
        there = self._counting()
        missing = [slot for slot in range(n_trials) if slot not in there]
        if not missing:
            return
        tried = {trial.user_attrs.get(SLOT): _queued(trial) for trial in reversed(self._trials("FAIL"))}
        again = {slot: tried[slot] for slot in missing if slot in tried}
        if self.terms.sampler == "sobol":
            drawn = self.space.sobol(n_trials, self.terms.sampler_seed)
            queue = {slot: drawn[slot] for slot in missing}
        else:
            queue = again or self._propose(missing, there, at_once, tried.keys())
        # Trials of one batch size train in lockstep, so they come one after another.
        for slot, params in sorted(queue.items(), key=lambda item: (item[1]["log2_batch_size"], item[0])):
            self.study.enqueue_trial(params, user_attrs={SLOT: slot})

    def _propose(
        self, slots: Sequence[int], there: Mapping[int, "FrozenTrial"], at_once: int, tried: Collection[Any]
    ) -> dict[int, dict[str, Any]]:
        """The sampler's points for the first of ``slots``, which follow from the outcomes of the other slots alone. A
        batch is told before the next is proposed, so that a worker that was stopped goes on as if it had not been."""
        import optuna
        from optuna.trial import TrialState

        waiting = {slot: trial for slot, trial in there.items() if trial.state == TrialState.WAITING}
        if waiting.keys() & {*tried}:
            return {}
        scratch, proposed = optuna.create_study(direction="maximize"), {}
        scratch.add_trials([trial for slot, trial in sorted(there.items()) if slot not in waiting])
        for slot in sorted([*waiting, *slots[: max(0, at_once - len(waiting))]]):
            if slot in waiting:  # proposed before a stop
                scratch.add_trial(self._in_hand(waiting[slot]))
            else:
                scratch.sampler = _sampler(self.terms, slot)
                proposed[slot] = dict(scratch.ask(self.space.distributions).params)
        return proposed

    def _in_hand(self, trial: "FrozenTrial") -> "FrozenTrial":
        """A trial of the queue as one that runs, whose outcome is unknown as well."""
        from optuna.trial import TrialState, create_trial

        return create_trial(state=TrialState.RUNNING, params=_queued(trial), distributions=self.space.distributions)

    def _lives(self, trial: "FrozenTrial") -> bool:
        attrs, began = trial.user_attrs, trial.datetime_start
        if WORKER in attrs:
            return self.presence.is_alive(attrs[WORKER], attrs[SEEN])
        return not self.shared_lock and began is not None and time.time() - began.timestamp() < ORPHAN_TIMEOUT

    def _tell(self, number: int, state: str, value: float | None = None) -> bool:
        """False where the trial was told meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self.study.tell(number, value, state=TrialState[state])
            return True
        except (UpdateFinishedTrialError, ValueError):
            if not self.study.get_trials(deepcopy=False)[number].state.is_finished():
                raise
            return False

    def ask(self, most: int) -> list[tuple[int, Cell]]:
        """At most so many trials from the queue, now this worker's: their slots and configurations."""
        asked: list[tuple[int, Cell]] = []
        while len(asked) < most and self._trials("WAITING"):
            trial = self.study.ask(self.space.distributions)
            trial.set_user_attr(SEEN, time.time())
            trial.set_user_attr(WORKER, self.presence.token)
            slot = trial.user_attrs.get(SLOT)
            if slot is None or self._counting()[slot].number != trial.number:
                self._tell(trial.number, "FAIL")
            else:
                self.owned[slot] = trial
                asked.append((slot, point(trial.params)))
        return asked

    # --- telling

    def heartbeat(self) -> None:
        """For workers on other machines, now and then."""
        if time.monotonic() - self.seen > HEARTBEAT_EVERY:
            self.seen = time.monotonic()
            for trial in self.owned.values():
                trial.set_user_attr(SEEN, time.time())

    def should_prune(self, slot: int, scores: Sequence[Score]) -> bool:
        """Whether the pruner would stop a trial of this worker, of which ``scores`` is what it has come to."""
        self.owned[slot].report(mean_accuracy(scores), scores[0].epoch)
        return self.owned[slot].should_prune()

    def tell(self, slot: int, scores: Sequence[Score], pruned: bool = False) -> bool:
        """The outcome of a trial of this worker; False where it was given up meanwhile and another has its slot."""
        trial = self.owned.pop(slot)
        try:
            trial.set_user_attr(SCORES, [asdict(score) for score in scores])
        except Exception as error:  # Optuna's name for it differs between storages and versions
            if "pdateFinishedTrial" not in type(error).__name__:
                raise
            return False
        if pruned:
            return self._tell(trial.number, "PRUNED")  # its value is what it reported last
        return self._tell(trial.number, "COMPLETE", mean_accuracy(scores))

    def release(self) -> None:
        """Give back what was asked for and not told: it is tried again."""
        self.owned.clear()
        for trial in self._trials("RUNNING"):
            if trial.user_attrs.get(WORKER) == self.presence.token:
                self._tell(trial.number, "FAIL")


def _finished(slot: int, trial: "FrozenTrial") -> Finished:
    scores = tuple(Score(**score) for score in trial.user_attrs[SCORES])
    return Finished(slot, point(trial.params), scores, trial.state.name == "PRUNED")


def _told_list(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else describe_value(value)


def _queued(trial: "FrozenTrial") -> dict[str, Any]:
    """The parameters with which Optuna has a trial in its queue."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def _sampler(terms: SearchConfiguration, slot: int) -> "BaseSampler":
    """Its random numbers follow from the terms and the slot alone; both arms draw the same."""
    from optuna import samplers

    seed = int.from_bytes(hashlib.sha256(f"{terms.sampler_seed}/{slot}".encode()).digest()[:4], "big")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ExperimentalWarning
        if terms.sampler == "tpe":
            return samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)
        return samplers.GPSampler(seed=seed)


def _pruner(terms: SearchConfiguration) -> "BasePruner":
    from optuna import pruners

    if terms.pruner == "median":
        return pruners.MedianPruner()
    if terms.pruner == "halving":
        return pruners.SuccessiveHalvingPruner()
    return pruners.NopPruner()
