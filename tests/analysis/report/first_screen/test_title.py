"""The title says the finding in at most 15 words, whatever the verdict; planted: each verdict, and its opposite."""

import math
from dataclasses import replace

import pytest

from analysis.findings.answer import Answer, answers
from analysis.report.first_screen.title import TITLES, title
from study.spec.datasets import DATASETS
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import planted


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """Batch normalisation gains eight images of 360 or so."""
    design = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(8)), epochs=1)

    def score(run: Run, epoch: int) -> float:
        return (300 + (8 + run.seed % 3 if run.arm == "bn" else 0) + run.seed % 4) / 360

    return answers(planted(tmp_path_factory.mktemp("results") / "s", design, score), 0.05, 0.002)["bn"]


def with_verdict(answer: Answer, verdict: str, estimate: float | None = None) -> Answer:
    assert answer.mean
    found = answer.mean.difference
    size = found.estimate if estimate is None else estimate
    mean = replace(answer.mean, verdict=verdict, difference=replace(found, estimate=size))
    return replace(answer, best=None, setting=None, mean=mean, cells={"better": 12, "worse": 10}, n_cells=25)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("verdict", [*TITLES, "better, by less than the margin", "worse, by less than the margin"])
def test_every_title_has_at_most_15_words(answer: Answer, verdict: str, dataset: str) -> None:
    said = title({"bn": with_verdict(answer, verdict)}, dataset)
    assert 4 <= len(said.split()) <= 15
    assert DATASETS[dataset].name in said
    assert said[0].isupper() or said[0].isdigit()
    assert not said.endswith(".")


def test_the_verb_follows_the_sign_and_a_qualified_finding_is_one_of_the_runs_seen(answer: Answer) -> None:
    assert title({"bn": with_verdict(answer, "better")}, "mnist").startswith(
        "On average: batch normalisation raised MNIST"
    )
    lowered = title({"bn": with_verdict(answer, "worse", -0.031)}, "mnist")
    assert lowered.startswith("On average: batch normalisation lowered MNIST accuracy by 3.")
    assert "-" not in lowered
    assert answer.mean
    for qualified, end in ((True, "points in the runs seen"), (False, "points")):
        one = replace(answer, best=None, setting=None, mean=replace(answer.mean, qualified=qualified))
        assert title({"bn": one}, "mnist").endswith(end)


def test_nothing_undecided_is_called_raised_or_lowered(answer: Answer) -> None:
    for verdict in ("inconclusive", "description", "withheld", "mixed", "equivalent"):
        said = title({"bn": with_verdict(answer, verdict)}, "mnist")
        assert "raised" not in said
        assert "lowered" not in said


def test_where_there_is_no_difference_the_title_says_so(answer: Answer) -> None:
    none = with_verdict(answer, "counts alone", math.nan)
    assert title({"bn": none}, "mnist") == "Too few runs learn to compare accuracy on MNIST"
    assert title({}, "mnist") == "There is nothing to compare: one arm alone was trained on MNIST"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (("better", "worse"), "3 arms compared on MNIST: with BN beats without BN here"),
        (("worse", "inconclusive"), "3 arms compared on MNIST: none is shown to beat without BN"),
    ],
)
def test_of_several_arms_it_says_which_are_better(answer: Answer, verdicts: tuple[str, ...], said: str) -> None:
    assert (
        title({arm: with_verdict(answer, v) for arm, v in zip(("bn", "layer"), verdicts, strict=True)}, "mnist") == said
    )
