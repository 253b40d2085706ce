"""One arm's search, without any training: points are asked for, scored by a formula and told.

A worker is a Search with a storage and a lease of its own; a dead one has left its file and no lock.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from study.errors import UsageError
from study.spec.factors import Cell
from study.store.study_folder import JOURNAL
from study.tuning.lease import HEARTBEAT_TIMEOUT, Lease
from study.tuning.search import HEARTBEAT, ORPHAN_TIMEOUT, WORKER, Finished, Score, Search, SearchConfiguration, best
from study.tuning.space import Space
from study.tuning.storage import open_storage
from tests.study.tuning.searches import CONFIGURATION, OPTIMUM, finish, scores

TPE = replace(CONFIGURATION, sampler="tpe")
Worker = Callable[..., Search]


def die(*searches: Search) -> None:
    """The lock of a worker that was killed is free, and its file is there."""
    for search in searches:
        search.lease.path.touch()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """Workers on one journal, each as in a process of its own."""
    with ExitStack() as stack:

        def started(
            configuration: SearchConfiguration = CONFIGURATION,
            name: str = "s/bn",
            alive: bool = True,
            shared_lock: bool = True,
            where: str = "",
        ) -> Search:
            lease = Lease(tmp_path / where)
            lease.folder.mkdir(exist_ok=True)
            if alive:
                stack.enter_context(lease.hold())
            storage = stack.enter_context(open_storage(tmp_path, None))
            return Search(storage, name, configuration, lease, shared_lock)

        yield started


def indices(finished: list[Finished]) -> list[int]:
    return [trial.index for trial in finished]


def states(search: Search) -> dict[str, int]:
    found = [trial.state.name for trial in search._trials("WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL")]
    return {name: found.count(name) for name in sorted(set(found))}


# --- what is found


@pytest.mark.parametrize(
    ("sampler", "n_trials"), [("sobol", 64), ("tpe", 60), pytest.param("gp", 24, marks=pytest.mark.slow)]
)
def test_the_planted_optimum_of_each_arm_is_found(sampler: str, n_trials: int, worker: Worker) -> None:
    for arm, optimum in OPTIMUM.items():
        search = worker(replace(CONFIGURATION, sampler=sampler), f"s/{arm}")
        finished = finish(search, n_trials, batch_size=4, arm=arm)
        assert indices(finished) == list(range(n_trials))
        top = best(finished)
        assert top.value == max(trial.value for trial in finished) > 0.7
        assert abs(math.log10(top.point.lr / optimum.lr)) < 0.35
        assert abs(math.log2(top.point.batch_size / optimum.batch_size)) <= 1


def test_of_equal_trials_the_first_index_is_the_best_and_a_pruned_one_never() -> None:
    def trial(index: int, n_correct: int, pruned: bool = False) -> Finished:
        return Finished(index, Cell(16, 0.1), (Score(1, 5, 0.1, n_correct, 10, None),), pruned)

    assert best([trial(2, 7), trial(0, 5), trial(1, 7), trial(3, 9, pruned=True)]).index == 1


@pytest.mark.parametrize("sampler", ["sobol", "tpe"])
def test_both_arms_begin_at_the_same_points_and_a_sobol_search_stays_there(sampler: str, worker: Worker) -> None:
    configuration = replace(CONFIGURATION, sampler=sampler)
    bn, no_bn = (finish(worker(configuration, f"s/{arm}"), 24, arm=arm) for arm in OPTIMUM)
    equal = [one.point == other.point for one, other in zip(bn, no_bn, strict=True)]
    assert all(equal[:8])
    assert all(equal) == (sampler == "sobol")


def test_a_sobol_search_has_the_points_of_the_space_in_the_order_of_its_indices(worker: Worker) -> None:
    sobol = Space.parse(CONFIGURATION.space).sobol(20, seed=0)
    drawn = [Cell(2 ** params["log2_batch_size"], params["lr"]) for params in sobol]
    assert [trial.point for trial in finish(worker(), 20, batch_size=3)] == drawn


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow)])
def test_a_sampler_seed_gives_one_search_and_another_seed_another(sampler: str, worker: Worker, tmp_path: Path) -> None:
    seeds = {"one": 3, "two": 3, "other": 4}
    found = [
        finish(worker(replace(CONFIGURATION, sampler=sampler, sampler_seed=seed), name), 12)
        for name, seed in seeds.items()
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_seeds_that_diverged_score_zero_and_the_trial_is_complete(worker: Worker) -> None:
    search = worker()
    search.enqueue_missing(1, 1)
    ((index, _),) = search.ask(1)
    assert search.tell(index, [Score(1, 5, None, None, 10, 2), Score(2, 5, 0.3, 8, 10, None)])
    (finished,) = search.finished()
    assert finished.value == 0.4
    assert finished.scores[0] == Score(1, 5, None, None, 10, 2)
    assert not finished.pruned
    assert states(search) == {"COMPLETE": 1}
    assert search._trials("COMPLETE")[0].value == 0.4


def test_a_pruned_trial_is_told_as_one(worker: Worker) -> None:
    search = worker(replace(CONFIGURATION, pruner="median"))
    search.enqueue_missing(1, 1)
    ((index, point),) = search.ask(1)
    search.should_prune(index, scores(point))
    assert search.tell(index, scores(point), pruned=True)
    assert states(search) == {"PRUNED": 1}
    (finished,) = search.finished()
    assert finished.pruned
    assert finish(search, 1) == [finished]


# --- a total


@pytest.mark.parametrize("configuration", [CONFIGURATION, TPE])
def test_trials_are_a_total_and_more_of_them_begin_with_the_fewer(
    configuration: SearchConfiguration, worker: Worker
) -> None:
    search = worker(configuration)
    few = finish(search, 8)
    assert finish(search, 8) == few
    assert states(search) == {"COMPLETE": 8}
    more = finish(worker(configuration), 24)
    assert more[:8] == few
    assert more == finish(worker(configuration, "whole"), 24)


def test_a_total_below_what_there_is_is_refused(worker: Worker) -> None:
    search = worker()
    finish(search, 5)
    search.check_total("bn", 5)
    with pytest.raises(UsageError, match="--trials 4: the search of bn has 5 trials already; give 5 or more"):
        search.check_total("bn", 4)


def test_other_terms_are_refused_with_the_difference(worker: Worker) -> None:
    worker()
    with pytest.raises(UsageError) as refusal:
        worker(replace(CONFIGURATION, epochs=6, seeds=(1, 2, 3), sampler="tpe"))
    text = str(refusal.value)
    assert "the search s/bn began with other settings" in text
    assert "epochs: the search has 5, the command asks for 6" in text
    assert "seeds: the search has 1 2, the command asks for 1 2 3" in text
    assert "sampler: the search has 'sobol', the command asks for 'tpe'" in text
    assert "hidden" not in text
    assert text.endswith("choose another --study-id.")
    worker()


# --- several workers


@pytest.mark.parametrize("configuration", [CONFIGURATION, TPE])
def test_two_workers_never_have_the_same_index(configuration: SearchConfiguration, worker: Worker) -> None:
    """In any order of asking and telling."""
    pair, order, told = [worker(configuration, shared_lock=False) for _ in range(2)], random.Random(5), []
    for _ in range(300):
        one = order.choice(pair)
        if one.owned and order.random() < 0.6:
            index = order.choice([*one.owned])
            assert one.tell(index, scores(Cell(16, 0.1)))
            told.append(index)
        else:
            one.enqueue_missing(20, 3)
            one.ask(order.randint(1, 3))
        assert not pair[0].owned.keys() & pair[1].owned.keys()
    assert sorted(told) == list(range(20))
    assert states(pair[0]) == {"COMPLETE": 20}


@pytest.mark.parametrize("configuration", [CONFIGURATION, TPE])
def test_two_workers_that_fill_the_queue_at_once_tell_each_index_once(
    configuration: SearchConfiguration, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each saw it empty: a database has no lock around asking."""
    one, other = (worker(configuration, shared_lock=False) for _ in range(2))
    there = one._counting()
    with monkeypatch.context() as blind:
        blind.setattr(Search, "_counting", lambda self: dict(there))
        for search in (one, other):
            search.enqueue_missing(6, 6)
    assert states(one) == {"WAITING": 12}
    told = []
    while any(asked := [search.ask(2) for search in (one, other)]):
        assert not one.owned.keys() & other.owned.keys()
        for search, its in zip((one, other), asked, strict=True):
            told += [index for index, point in its if search.tell(index, scores(point))]
    assert sorted(told) == list(range(6))
    assert indices(one.finished()) == indices(other.finished()) == list(range(6))
    assert states(one) == {"COMPLETE": 6, "FAIL": 6}


def test_an_index_that_was_told_is_not_handed_out_again_though_it_was_put_in_the_queue_twice(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, late = worker(shared_lock=False), worker(shared_lock=False)
    before = one._counting()
    finished = finish(one, 1)
    with monkeypatch.context() as blind:
        blind.setattr(Search, "_counting", lambda self: dict(before))
        late.enqueue_missing(1, 1)
    assert states(one) == {"COMPLETE": 1, "WAITING": 1}
    assert finish(late, 1) == finished
    assert states(one) == {"COMPLETE": 1, "FAIL": 1}


def test_who_finds_the_queue_emptied_by_another_has_nothing(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna makes a trial of its own then, which is nobody's index."""
    one, other = (worker(shared_lock=False) for _ in range(2))
    one.enqueue_missing(1, 1)
    ask = one.study.ask

    def late(*args: object) -> object:
        assert indices_of(other.ask(1)) == [0]
        monkeypatch.setattr(one.study, "ask", ask)
        return ask(*args)

    monkeypatch.setattr(one.study, "ask", late)
    assert one.ask(1) == []
    assert states(one) == {"FAIL": 1, "RUNNING": 1}
    one.enqueue_missing(1, 1)
    assert one.ask(1) == []


def indices_of(asked: list[tuple[int, Cell]]) -> list[int]:
    return [index for index, _ in asked]


@pytest.mark.parametrize("configuration", [CONFIGURATION, TPE])
def test_what_a_dead_worker_had_is_tried_again_at_the_same_point(
    configuration: SearchConfiguration, worker: Worker
) -> None:
    dead = worker(configuration, alive=False)
    dead.enqueue_missing(12, 8)
    left = dict(dead.ask(3))
    living = worker(configuration)
    living.enqueue_missing(12, 8)
    assert len(left) == 3
    assert set(dict(living.ask(12))).isdisjoint(left), "its file is not there: it may live elsewhere"
    die(dead)
    living.enqueue_missing(12, 8)
    assert dict(living.ask(3)) == left


def test_what_was_asked_for_when_a_signal_came_is_given_back_too(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment between the queue and this worker's own list."""
    one, other = worker(), worker()
    one.enqueue_missing(1, 1)
    with monkeypatch.context() as interrupted:
        interrupted.setattr("study.tuning.search.point", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            one.ask(1)
        one.owned.clear()
        one.requeue()
    other.enqueue_missing(1, 1)
    assert indices_of(other.ask(1)) == [0]


def test_what_is_given_back_is_tried_again(worker: Worker) -> None:
    one, other = worker(), worker()
    one.enqueue_missing(4, 4)
    asked = one.ask(4)
    index, point = asked[0]
    assert one.tell(index, scores(point))
    one.requeue()
    assert one.owned == {}
    other.enqueue_missing(4, 4)
    assert sorted(other.ask(4)) == sorted(asked[1:])


def test_a_worker_elsewhere_is_given_up_after_a_while_and_comes_too_late(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = worker(shared_lock=False, where="elsewhere"), worker(shared_lock=False)
    far.enqueue_missing(1, 1)
    ((index, point),) = far.ask(1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + HEARTBEAT_TIMEOUT - 5)
    near.enqueue_missing(1, 1)
    assert near.ask(1) == []
    monkeypatch.setattr(time, "time", lambda: now + HEARTBEAT_TIMEOUT + 5)
    near.enqueue_missing(1, 1)
    assert near.ask(1) == [(index, point)]
    assert not far.tell(index, scores(point)), "another has its index"
    assert near.finished() == []
    assert near.tell(index, scores(point))
    assert not near.finished()[0].pruned
    assert states(near) == {"COMPLETE": 1, "FAIL": 1}


def test_a_trial_that_does_not_say_for_whom_it_runs_is_soon_tried_again_and_its_worker_comes_too_late(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = worker(shared_lock=False, where="elsewhere"), worker(shared_lock=False)
    far.enqueue_missing(1, 1)
    nameless = far.study.ask(far.space.distributions)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + ORPHAN_TIMEOUT - 5)
    near.enqueue_missing(1, 1)
    assert near.ask(1) == []
    monkeypatch.setattr(time, "time", lambda: now + ORPHAN_TIMEOUT + 5)
    near.enqueue_missing(1, 1)
    ((index, point),) = near.ask(1)
    far.owned[index] = nameless
    assert not far.tell(index, scores(point))
    assert near.tell(index, scores(point))
    assert states(near) == {"COMPLETE": 1, "FAIL": 1}


def test_a_worker_elsewhere_that_shows_signs_of_life_keeps_its_trials(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, near = worker(shared_lock=False, where="elsewhere"), worker(shared_lock=False)
    far.enqueue_missing(1, 1)
    ((index, point),) = far.ask(1)
    now, ticks = time.time(), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: now + HEARTBEAT_TIMEOUT - 5)
    monkeypatch.setattr(time, "monotonic", lambda: ticks + HEARTBEAT_TIMEOUT - 5)
    far.heartbeat()
    monkeypatch.setattr(time, "time", lambda: now + HEARTBEAT_TIMEOUT + 5)
    near.enqueue_missing(1, 1)
    assert near.ask(1) == []
    assert far.tell(index, scores(point))


def test_the_dead_leave_no_files(worker: Worker, tmp_path: Path) -> None:
    dead, living = worker(alive=False), worker()
    die(dead)
    dead.lease.images.mkdir()
    (dead.lease.images / "train-images.npy").touch()
    living.lease.remove_expired()
    assert {path.name for path in tmp_path.glob(".[td]*")} == {
        living.lease.path.name, living.lease.images.name, ".tuning.journal.lock",
    }  # fmt: skip


# --- stopped at any moment


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
@pytest.mark.parametrize("told_before", [0, 3, 8, 13])
def test_a_kill_in_the_middle_of_a_batch_changes_no_point(sampler: str, told_before: int, worker: Worker) -> None:
    """Some of the batch were told, in the reverse of the order in which they were asked for."""
    configuration, n_trials = replace(CONFIGURATION, sampler=sampler), {"tpe": 32, "gp": 16}[sampler]
    killed, n_told = worker(configuration, alive=False), 0
    while n_told < told_before or not killed.owned:
        killed.enqueue_missing(n_trials, 8)
        for index, point in reversed(killed.ask(8)):
            if n_told < told_before:
                n_told += killed.tell(index, scores(point))
    die(killed)
    assert finish(worker(configuration), n_trials) == finish(worker(configuration, "whole"), n_trials)


def test_a_second_kill_before_anything_is_asked_for_changes_no_point_either(worker: Worker) -> None:
    killed = worker(TPE, alive=False)
    killed.enqueue_missing(32, 16)
    for index, point in killed.ask(16)[:3]:
        assert killed.tell(index, scores(point))
    die(killed)
    worker(TPE).enqueue_missing(32, 16)
    assert finish(worker(TPE), 32, batch_size=16) == finish(worker(TPE, "whole"), 32, batch_size=16)


@pytest.mark.parametrize(("configuration", "first", "every"), [(CONFIGURATION, 0, 11), (TPE, 72, 3)])
def test_a_kill_between_two_writes_changes_nothing(
    configuration: SearchConfiguration, first: int, every: int, worker: Worker, tmp_path: Path
) -> None:
    """The journal of a search, cut after some of its lines: the next worker completes it to the same search."""
    whole = finish(worker(configuration, alive=False), 16, batch_size=12)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    assert len(lines) > 120
    for n_lines in range(first, len(lines), every):
        folder = tmp_path / str(n_lines)
        folder.mkdir()
        (folder / JOURNAL).write_bytes(b"".join(lines[:n_lines]))
        for token in {word["user_attr"][WORKER] for word in map(parsed, lines[:n_lines]) if WORKER in attrs_of(word)}:
            (folder / f".tuner-{token}").touch()
        with open_storage(folder, None) as storage:
            search = Search(storage, "s/bn", configuration, Lease(folder), shared_lock=True)
            assert finish(search, 16, batch_size=12) == whole, f"after {n_lines} lines"


def parsed(line: bytes) -> dict:
    return json.loads(line)


def attrs_of(word: dict) -> dict:
    return word.get("user_attr") or {}


def test_a_worker_says_when_before_it_says_who(worker: Worker, tmp_path: Path) -> None:
    """Whoever reads who finds when."""
    search = worker()
    search.enqueue_missing(1, 1)
    search.ask(1)
    said = [key for line in (tmp_path / JOURNAL).read_bytes().splitlines() for key in attrs_of(parsed(line))]
    assert (HEARTBEAT, WORKER) in list(pairwise(said))
