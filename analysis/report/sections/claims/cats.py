"""The tutorial's cats: a background tied to the class group in training, another one at test."""

from collections.abc import Sequence
from functools import partial

from analysis.findings.claims.cats import CONDITIONS, Answers, Pictures, answers, pictures
from analysis.findings.claims.from_probes import OF_ARM
from analysis.records.claims import ClaimsData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, interval_values, text_column
from analysis.report.document import Figure, Table
from analysis.report.figures.claims import cats as drawings
from analysis.report.sections.claims.places import CATS, CATS_WEAK
from study.spec.arms import DEFAULT_ARMS

FADED = "absent"
"""The background of which the headline speaks."""


def figure(claims: ClaimsData, level: float) -> Figure | None:
    """Return the protocol with its strong background; None where it was not run."""
    shown = pictures(claims.pictures, claims.dataset.first_cat)
    return _figure(claims, "cats-answers", CATS, level, shown, "Background gone, cats")


def faint(claims: ClaimsData, level: float) -> Figure | None:
    """Return the protocol with its faint background."""
    return _figure(claims, "cats-weak-answers", CATS_WEAK, level, None, "Faint background: cats")


def _figure(
    claims: ClaimsData, experiment: str, name: str, level: float, shown: Pictures | None, headline: str
) -> Figure | None:
    accuracy, as_other = (answers(claims.measurements, experiment, of, level) for of in ("accuracy", "as_other"))
    if not accuracy:
        return None
    return Figure(
        name=name,
        headline=_headline(as_other, headline),
        subtitle=(
            "Images of the upper half of the classes (cats) had a background in training; here it is another at test."
            f" Accuracy and cats answered as dogs (%), {fmt.seeds(_n(accuracy))}."
        ),
        draw=partial(drawings.cats, drawings.CatsPanels(shown, accuracy, as_other)),
        alt=f"Accuracy: {_in_words(accuracy)}. Cats answered as dogs: {_in_words(as_other)}.",
        caption=f"{'' if shown is None else 'Images: dogs, then cats. '}Mark: mean over seeds, with its"
        f" {fmt.level(level)} interval, pointwise (t). Empty: exact statistics; cross: statistics of the test batch.",
        table=_table(name, accuracy, as_other),
    )


def _headline(as_other: Sequence[Answers], begun: str) -> str:
    """Return the share of cats answered as dogs without their background, in both arms, behind ``begun``."""
    usual = [of for of in as_other if of.mode == OF_ARM.get(of.arm)]
    shares = {of.arm: of.shares[FADED] for of in usual if FADED in of.shares}
    ends = [f"{fmt.percent(shares[arm].estimate, 0)} {fmt.side(arm)}" for arm in DEFAULT_ARMS if arm in shares]
    ends[1:] = [end.removesuffix(" BN") for end in ends[1:]]
    return f"{begun} called dogs: {', '.join(ends)}" if ends else "What networks answer under other backgrounds"


def _n(found: Sequence[Answers]) -> int:
    return max(share.n for of in found for share in of.shares.values())


def _in_words(found: Sequence[Answers]) -> str:
    return "; ".join(f"{drawings.name(of)}: {_shares(of)}" for of in found)


def _shares(of: Answers) -> str:
    return ", ".join(f"{CONDITIONS[key]} {fmt.percent(share.estimate, 1)}" for key, share in of.shares.items())


def _table(name: str, accuracy: Sequence[Answers], as_other: Sequence[Answers]) -> Table:
    columns = [
        text_column("background at test", "condition"),
        text_column("arm and statistics", "arm"),
        interval_column("accuracy [interval]", "accuracy", fmt.share),
        interval_column("cats answered as dogs [interval]", "as_other", fmt.share),
        count_column("seeds", "n"),
    ]
    others = {(of.arm, of.mode): of for of in as_other}
    rows = []
    for condition in CONDITIONS:
        for of in accuracy:
            if condition in of.shares:
                share, other = of.shares[condition], others.get((of.arm, of.mode))
                as_dog = other.shares.get(condition) if other else None
                rows.append(
                    {
                        "condition": CONDITIONS[condition], "arm": drawings.name(of),
                        **interval_values("accuracy", share), **interval_values("as_other", as_dog), "n": share.n,
                    }
                )  # fmt: skip
    return Table(name, "Answers by background, arm and statistics", columns, rows)
