"""The methods: what a study did and no more, the same on the page and in a paper, with the papers that they cite."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report.sections import glossary
from analysis.report.sections.methods import methods
from analysis.report.sections.methods.facts import Facts
from analysis.report.sections.methods.references import REFERENCES
from analysis.report.sections.methods.statements import CITATION
from study.spec.arms import BUILT_IN, NORM_KINDS
from study.spec.claims.experiments import QUICK
from study.spec.datasets import DATASETS, DatasetSpec, OwnFile
from study.spec.design import Design
from study.spec.networks import NetworkArm, NetworkSpec
from tests.analysis.claims_study import in_memory
from tests.analysis.many_factors import design, registered
from tests.analysis.planted import plant, planted
from tests.analysis.report.claims.planted_ledger import ledger, measurements
from tests.analysis.report.exported import MORE, SMALL, STUDIES, Exported, Make, renamed, score


def test_the_methods_name_what_this_study_has_and_its_constants(exported: Make) -> None:
    texts = {name: " ".join(exported(name).texts["methods.md"].replace("\\", "").split()) for name in STUDIES}
    grid, three, tuned, one = texts.values()
    for text in texts.values():
        assert "1,437 images to train on and 360 to test on, of 64 pixels in 10 classes" in text
        assert "beta1 = 0.9, beta2 = 0.999, eps = 1e-8" in text
        assert "±0.125, 0.177 and 0.177" in text
        assert "(eps = 1e-5). Each batch has a weight of 0.1 in its running averages" in text
    assert "3,594 with BN and 3,466 without BN" in grid
    assert "3,594 with BN, 3,466 without BN and 3,594 with LN" in three
    assert "batch size 32 and 64; learning rate 0.01 and 0.1" in grid
    assert "Seeds: 6 (0 to 5)" in grid
    assert "A run has 3 epochs" in grid
    assert "Trials trained on 1,198 of the training images and were scored on the other 239" in tuned
    for words, where in {
        "Tuning": [tuned],
        "Layer normalisation": [three],
        "scores chance (10.00 %)": [three],
        "McNemar": [three, tuned],
        "No run failed": [grid, tuned, one],
        "are compared with no batch normalisation as one family": [three],
        "pairs of arms are another such family": [three],
        "best on the other seeds": [grid, three, tuned],
        "Inference modes": [],
        "Westfall": [grid, three, tuned],
        "family": [grid, three],
        "Sobol": [tuned],
    }.items():
        assert [text for text in texts.values() if words in text] == where, words


OF_CHANCE = Design(
    "digits", ("no_bn", "bn", "bn_after", "bn_no_bias", "layer_after", "dropout_0.2"), (32,), (0.01,), range(3), 2,
    vary={"n_train": [1437], "label_noise": [0.2], "scale": ["standard"]}, seed_of="weights", unpaired_init=True,
)  # fmt: skip
"""Of the runs of a pair, and of the data, little is alike."""


NETWORK = NetworkSpec("net.py:make", "0" * 64, tuple(NetworkArm(arm, 1000, 1000) for arm in ("bn", "no_bn")))
OWN_DATA = DatasetSpec("mine", "mine", 30, 10, 4, 2, OwnFile("0" * 64), counts=(7, 3))
OTHERS = (
    *(Design(dataset, batch_sizes=(8,)) for dataset in DATASETS),
    Design("digits", network=NETWORK),
    Design("mine", batch_sizes=(8,), own_data=OWN_DATA),
    Design("digits", [arm.key for arm in BUILT_IN]),
)
"""Designs with what statements on data, networks and normalisations speak of."""


def methods_of(path: Path, design: Design) -> str:
    one = Exported(plant(path, design, lambda run, epoch: 0.5))
    return " ".join(one.texts["methods.md"].replace("\\", "").split())


def test_the_methods_say_what_differs_between_arms_seeds_and_settings(tmp_path: Path) -> None:
    text = methods_of(tmp_path / "s", OF_CHANCE)
    for words in (
        "stands before (with BN and BN, no bias) or after (BN after) the nonlinearity",
        "over the units of a hidden layer, after the nonlinearity",
        "have no bias in batch normalisation behind layers without bias",
        "20 % dropout 0.2",
        "start from weights of their own",
        "A seed decides the initial weights alone",
        "Wrong labels are those of another class",
        "Fewer training images are a part of the others",
        "Scaled features have mean 0",
    ):
        assert words in text, words
    assert "start from the same weights" not in text


@pytest.mark.parametrize(
    ("seed_of", "said"),
    [
        ("both", "fixes the initial weights and the order of the images; n counts seeds"),
        ("weights", "fixes the initial weights; all else is that of seed 0; n counts seeds"),
        (
            "order",
            "fixes the order of the images and all else that training draws; the initial weights are those of seed 0",
        ),
    ],
)
def test_the_glossary_says_what_a_seed_fixes(seed_of: str, said: str, tmp_path: Path) -> None:
    study = planted(tmp_path / "s", replace(SMALL, seed_of=seed_of), score)
    assert glossary.meanings(study)["seed"].startswith(said)


def test_the_methods_of_a_plain_study_say_nothing_of_these(tmp_path: Path) -> None:
    plain = replace(OF_CHANCE, arms=("no_bn", "bn"), vary={}, seed_of="both", unpaired_init=False)
    text = methods_of(tmp_path / "s", plain)
    assert "Both runs of a pair start from the same weights" in text
    assert "stands before the nonlinearity" in text
    for words in ("bias in", "ropout", "of their own", "A seed decides", "Wrong labels", "Fewer", "Scaled"):
        assert words not in text, words


@pytest.mark.slow
def test_every_statement_holds_of_a_study_and_those_with_a_condition_not_of_all(exported: Make, tmp_path: Path) -> None:
    every = [exported(name) for name in (STUDIES | MORE)]
    every.append(Exported(plant(tmp_path / "chance", OF_CHANCE, lambda run, epoch: 0.5)))
    with registered():
        every.append(Exported(plant(tmp_path / "s", design(turns=(2, 5)), lambda run, epoch: 0.5)))
        facts = [Facts(one.study, one.results) for one in every]
        facts += [Facts(replace(every[0].study, design=other), every[0].results) for other in OTHERS]
        claims = in_memory("claims", DATASETS["digits"], QUICK, measurements())
        facts.append(Facts(replace(every[0].study, claims=claims), replace(every[0].results, ledger=ledger())))
        for statement in methods.STATEMENTS:
            holds = [bool(statement.holds(of)) for of in facts]
            assert any(holds), statement.key
            assert not all(holds) or statement.holds.__name__ in ("always", "trained"), statement.key


def test_statements_have_their_own_keys_and_cite_every_paper_and_no_other() -> None:
    keys = [statement.key for statement in methods.STATEMENTS]
    assert len(keys) == len({*keys})
    cited = {
        key.strip(" @")
        for statement in methods.STATEMENTS
        for keys in CITATION.findall(statement.text)
        for key in keys.split(";")
    }
    assert cited == {*REFERENCES}
    assert {f"data-{dataset}" for dataset in DATASETS} <= {*keys}
    assert {f"norm-{kind}" for kind in NORM_KINDS} <= {*keys}


def test_a_manifest_cannot_cite(tmp_path: Path) -> None:
    device = {"kind": "cpu", "name": "abacus", "engine": "[@nobody2000] {n_train}", "workers": 1}
    one = Exported(renamed(plant(tmp_path / "s", SMALL, score), device=device))
    assert "[@nobody2000] \\{n\\_train\\}" in one.texts["methods.tex"]


def test_the_page_has_the_same_methods_and_papers(exported: Make) -> None:
    one = exported("of three arms with failures")
    section = methods.section(one.study, one.results)
    texts, papers = section.details
    markdown = one.texts["methods.md"].replace("\\", "")
    assert not section.blocks
    shown = [(term.term, term.text.replace("\\", "")) for term in texts.terms]  # type: ignore[union-attr]
    assert re.findall(r"^## (.+)\n\n(.+)$", markdown, re.MULTILINE)[:-1] == shown[: len(shown)]
    assert re.findall(r"^- (.+)$", markdown, re.MULTILINE) == papers.items  # type: ignore[union-attr]
