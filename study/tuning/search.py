"""One arm's search: an Optuna study whose trials any number of workers ask for, train and tell.

**Trial indices.** A search over n trials has the indices 0 to n - 1. Each index is enqueued as a waiting trial, and one
whose trial failed, or whose worker died, is enqueued again with the same parameters. So the target is a total, a
restart finds what is missing, and two workers that enqueue at the same time do no harm: of several trials of an index
the one with the lowest number counts, which every worker sees alike, since a trial and its index are written as one.

**Liveness.** A worker holds a lock in the study's folder as long as it runs, and writes its id and its heartbeats into
each of its trials (``study.tuning.lease``).
"""

import hashlib
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.engine import devices
from study.errors import EnvironmentFault, UsageError, describe_value
from study.spec.analysis_rule import AskedRule, FixedRule
from study.spec.factors import Cell
from study.store import manifest
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
TRIAL_INDEX, WORKER, HEARTBEAT, SCORES = "slot", "worker", "seen", "scores"
"""User attributes of a trial: its index, its worker, the worker's last heartbeat, its scores."""
RULE = "analysis_rule"
"""User attribute of a search: by what its study is judged, fixed before the first trial."""
ORPHAN_TIMEOUT = 30.0
"""Seconds after which a running trial without a worker is requeued: its worker died between two writes. A worker that
was only slow comes too late to tell it."""
HEARTBEAT_SECONDS = 30.0


def search_name(study: str, arm: str, search: int) -> str:
    """Return the name of an arm's search in its storage."""
    name = f"{study}/{arm}"
    return name if search == 1 else f"{name}/{search}"


@dataclass(frozen=True)
class SearchConfiguration:
    """The settings that the searches of all arms share, and that no later command may change."""

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
        """Share of correct images; 0 where the seed diverged, which is an outcome and not a missing value."""
        return 0.0 if self.n_correct is None else self.n_correct / self.n_examples


@dataclass(frozen=True)
class Finished:
    """A finished trial by its index; ``pruned`` if it was stopped before its last epoch."""

    index: int
    point: Cell
    scores: tuple[Score, ...]
    pruned: bool

    @property
    def value(self) -> float:
        return mean_accuracy(self.scores)

    @property
    def n_correct(self) -> int:
        """Correct images of all seeds: the value without rounding."""
        return sum(score.n_correct or 0 for score in self.scores)


def mean_accuracy(scores: Sequence[Score]) -> float:
    """Return a trial's value: the mean over its seeds."""
    return sum(score.accuracy for score in scores) / len(scores)


def best(finished: Sequence[Finished]) -> Finished:
    """Return the unpruned trial with the highest value; of equal ones that with the lowest index."""
    return max((trial for trial in finished if not trial.pruned), key=lambda trial: (trial.n_correct, -trial.index))


class Search:
    """The trials of one arm, as this worker sees them."""

    def __init__(
        self, storage: "BaseStorage", name: str, configuration: SearchConfiguration, lease: Lease, shared_lock: bool
    ):
        """Load or create the Optuna study ``name``; raises UsageError where its configuration is another.

        ``shared_lock``: every worker asks under a lock of the study's folder, so that a running trial without a worker
        was left by a dead one.
        """
        import optuna

        self.configuration, self.lease, self.shared_lock = configuration, lease, shared_lock
        self.space = Space.parse(configuration.space)
        self.owned: dict[int, Trial] = {}
        self.last_heartbeat = time.monotonic()
        self.study: Study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(),  # never used: every trial comes from the queue
            pruner=_pruner(configuration),
        )
        self._check_configuration(name)

    def _check_configuration(self, name: str) -> None:
        wanted = self.configuration.to_dict()
        if "terms" not in self.study.user_attrs:
            self.study.set_user_attr("terms", wanted)
        has = self.study.user_attrs["terms"]
        if isinstance(has, dict) and isinstance(has.get("engine"), str):
            has = has | {"engine": devices.as_today(has["engine"])}
        changed = [
            f"{key}: the search has {_describe(has.get(key))}, the command asks for {_describe(value)}"
            for key, value in wanted.items()
            if not isinstance(has, dict) or has.get(key) != value
        ]
        if changed:
            raise UsageError(
                f"the search {name} began with other settings:\n  " + "\n  ".join(changed) + "\nExtend it with more"
                " --trials; for any other change choose another --study-id."
            )

    def agree_rule(self, asked: AskedRule, study: Path, date: str) -> AskedRule:
        """Return the rule that the first command of this search fixed, or fixes now; refuses another."""
        if RULE not in self.study.user_attrs:
            self.study.set_user_attr(RULE, asdict(asked.fix(date)))
        entry = self.study.user_attrs[RULE]
        for fault in (*manifest.RULE.missing(RULE, entry), *manifest.RULE.faults(RULE, entry)):
            raise EnvironmentFault(
                f"the search {self.study.study_name} has a rule that this program did not write: {fault}. Restore"
                " its storage, or choose another --study-id."
            )
        fixed = FixedRule(**entry)
        asked.check(study, fixed, has_runs=False)
        return AskedRule(fixed.alpha, fixed.margin, since=fixed.date)

    @property
    def prunes(self) -> bool:
        """Whether trials may be stopped before their last epoch."""
        return self.configuration.pruner != "none"

    def check_total(self, arm: str, n_trials: int) -> None:
        """Refuse a total below the number of trials: trials are not deleted."""
        n_there = 1 + max(self._counting(), default=-1)
        if n_there > n_trials:
            raise UsageError(
                f"--trials {n_trials}: the search of {arm} has {n_there} trials already; give {n_there} or more"
            )

    # --- what there is

    def _trials(self, *states: str) -> list["FrozenTrial"]:
        """Return the trials in ``states``, in the order of their numbers."""
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=[TrialState[state] for state in states])

    def _counting(self) -> dict[int, "FrozenTrial"]:
        """Return the trial that counts for each index: the lowest number that did not fail."""
        counting: dict[int, FrozenTrial] = {}
        for trial in self._trials("WAITING", "RUNNING", "COMPLETE", "PRUNED"):
            if TRIAL_INDEX in trial.user_attrs:
                counting.setdefault(trial.user_attrs[TRIAL_INDEX], trial)
        return counting

    def finished(self) -> list[Finished]:
        """Return the finished trials in the order of their indices."""
        trials = {index: trial for index, trial in self._counting().items() if trial.state.is_finished()}
        try:
            return [_finished(index, trial) for index, trial in sorted(trials.items())]
        except (KeyError, TypeError, ValueError) as error:
            raise EnvironmentFault(
                f"the search {self.study.study_name} has a trial that this program did not write: {error!r}. Restore"
                " its storage, or choose another --study-id."
            ) from None

    # --- asking

    def enqueue_missing(self, n_trials: int, batch_size: int) -> None:
        """Fail the trials of dead workers, and enqueue failed indices with their old parameters; if there are none, the
        next indices: all of a sampler whose points are known beforehand, else up to a batch of ``batch_size``."""
        for trial in self._trials("RUNNING"):
            if not self._is_alive(trial):
                self._tell(trial.number, "FAIL")
        there = self._counting()
        missing = [index for index in range(n_trials) if index not in there]
        if not missing:
            return
        tried = {trial.user_attrs.get(TRIAL_INDEX): _queued(trial) for trial in reversed(self._trials("FAIL"))}
        again = {index: tried[index] for index in missing if index in tried}
        if self.configuration.sampler == "sobol":
            drawn = self.space.sobol(n_trials, self.configuration.sampler_seed)
            queue = {index: drawn[index] for index in missing}
        else:
            queue = again or self._propose(missing, there, batch_size, tried.keys())
        # Trials of one batch size train in lockstep, so they come one after another.
        for index, params in sorted(queue.items(), key=lambda item: (item[1]["log2_batch_size"], item[0])):
            self.study.enqueue_trial(params, user_attrs={TRIAL_INDEX: index})

    def _propose(
        self, indices: Sequence[int], there: Mapping[int, "FrozenTrial"], batch_size: int, tried: Collection[Any]
    ) -> dict[int, dict[str, Any]]:
        """Return the sampler's points for the first of ``indices``, which depend on the scores of other indices alone.

        A batch is finished before the next is proposed, so that a worker that was stopped goes on as if it had not
        been.
        """
        import optuna
        from optuna.trial import TrialState

        waiting = {index: trial for index, trial in there.items() if trial.state == TrialState.WAITING}
        if waiting.keys() & {*tried}:
            return {}
        scratch, proposed = optuna.create_study(direction="maximize"), {}
        scratch.add_trials([trial for index, trial in sorted(there.items()) if index not in waiting])
        for index in sorted([*waiting, *indices[: max(0, batch_size - len(waiting))]]):
            if index in waiting:  # proposed before a stop
                scratch.add_trial(self._as_running(waiting[index]))
            else:
                scratch.sampler = _sampler(self.configuration, index)
                proposed[index] = dict(scratch.ask(self.space.distributions).params)
        return proposed

    def _as_running(self, trial: "FrozenTrial") -> "FrozenTrial":
        """Return a waiting trial as a running one, whose score is unknown as well."""
        from optuna.trial import TrialState, create_trial

        return create_trial(state=TrialState.RUNNING, params=_queued(trial), distributions=self.space.distributions)

    def _is_alive(self, trial: "FrozenTrial") -> bool:
        attrs, began = trial.user_attrs, trial.datetime_start
        if WORKER in attrs:
            return self.lease.is_alive(attrs[WORKER], attrs[HEARTBEAT])
        return not self.shared_lock and began is not None and time.time() - began.timestamp() < ORPHAN_TIMEOUT

    def _tell(self, number: int, state: str, value: float | None = None) -> bool:
        """End a trial in ``state``; returns False where another worker has ended it meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self.study.tell(number, value, state=TrialState[state])
            return True
        except (UpdateFinishedTrialError, ValueError):
            if not self.study.get_trials(deepcopy=False)[number].state.is_finished():
                raise
            return False

    def ask(self, n: int) -> list[tuple[int, Cell]]:
        """Take up to ``n`` trials from the queue, now owned by this worker; returns their indices and points."""
        asked: list[tuple[int, Cell]] = []
        while len(asked) < n and self._trials("WAITING"):
            trial = self.study.ask(self.space.distributions)
            trial.set_user_attr(HEARTBEAT, time.time())
            trial.set_user_attr(WORKER, self.lease.token)
            index = trial.user_attrs.get(TRIAL_INDEX)
            if index is None or self._counting()[index].number != trial.number:
                self._tell(trial.number, "FAIL")
            else:
                self.owned[index] = trial
                asked.append((index, point(trial.params)))
        return asked

    # --- telling

    def heartbeat(self) -> None:
        """Write the time into the owned trials every ``HEARTBEAT_SECONDS``, for workers on other machines."""
        if time.monotonic() - self.last_heartbeat > HEARTBEAT_SECONDS:
            self.last_heartbeat = time.monotonic()
            for trial in self.owned.values():
                trial.set_user_attr(HEARTBEAT, time.time())

    def should_prune(self, index: int, scores: Sequence[Score]) -> bool:
        """Whether the pruner would stop an owned trial that has come to ``scores``."""
        self.owned[index].report(mean_accuracy(scores), scores[0].epoch)
        return self.owned[index].should_prune()

    def tell(self, index: int, scores: Sequence[Score], pruned: bool = False) -> bool:
        """Record the scores of an owned trial; returns False where it was given up and another has its index."""
        trial = self.owned.pop(index)
        try:
            trial.set_user_attr(SCORES, [asdict(score) for score in scores])
        except Exception as error:  # Optuna's name for it differs between storages and versions
            if "pdateFinishedTrial" not in type(error).__name__:
                raise
            return False
        if pruned:
            return self._tell(trial.number, "PRUNED")  # Optuna takes the value that was reported last
        return self._tell(trial.number, "COMPLETE", mean_accuracy(scores))

    def requeue(self) -> None:
        """Fail the trials that were asked for and not told, so that they are enqueued again."""
        self.owned.clear()
        for trial in self._trials("RUNNING"):
            if trial.user_attrs.get(WORKER) == self.lease.token:
                self._tell(trial.number, "FAIL")


def _finished(index: int, trial: "FrozenTrial") -> Finished:
    scores = tuple(Score(**score) for score in trial.user_attrs[SCORES])
    return Finished(index, point(trial.params), scores, trial.state.name == "PRUNED")


def _describe(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else describe_value(value)


def _queued(trial: "FrozenTrial") -> dict[str, Any]:
    """Return the parameters with which a trial was enqueued."""
    return dict(trial.system_attrs.get("fixed_params", {}))


def _sampler(configuration: SearchConfiguration, index: int) -> "BaseSampler":
    """Return the sampler of an index, seeded by the configuration and the index alone: all arms draw the same."""
    from optuna import samplers

    seed = int.from_bytes(hashlib.sha256(f"{configuration.sampler_seed}/{index}".encode()).digest()[:4], "big")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ExperimentalWarning
        if configuration.sampler == "tpe":
            return samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)
        return samplers.GPSampler(seed=seed)


def _pruner(configuration: SearchConfiguration) -> "BasePruner":
    from optuna import pruners

    if configuration.pruner == "median":
        return pruners.MedianPruner()
    if configuration.pruner == "halving":
        return pruners.SuccessiveHalvingPruner()
    return pruners.NopPruner()
