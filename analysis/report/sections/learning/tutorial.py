"""What does the tutorial report, and would a single run of ours give it?"""

from collections.abc import Sequence
from typing import Any

from analysis.findings.arms import PUBLISHED_CELL, PUBLISHED_DESIGN, Claim
from analysis.report import number_format as fmt
from analysis.report.columns import interval_column, interval_values, text_column
from analysis.report.document import Block, Column, Paragraph, Placeholder, Table
from study.spec.factors import FACTORS

COMMAND = (
    "python -m study.run --dataset mnist"
    + "".join(f" {FACTORS[key].option} {FACTORS[key].show(level)}" for key, level in PUBLISHED_CELL.said.items())
    + " --study-id tutorial"
)
TUTORIAL = (
    "The tutorial is a Korean post on batch normalisation after CS231n and Ioffe and Szegedy (2015). At its setting"
    " ({setting}) it trains two hidden layers of {widths} units with ReLU and Adam on {dataset}, {epochs} epochs, one"
    " seed."
)


def evidence(claims: Sequence[Claim]) -> list[Block]:
    """Return what the tutorial is and reports, beside runs of ours; nothing where no run is at its setting."""
    return [Paragraph(" ".join([_described(), *map(_claim, claims)]))] if claims else []


def details(claims: Sequence[Claim]) -> list[Block]:
    """Return the numbers as a table and what differs; where there are none, what to train for them."""
    if not claims:
        text = "This study has no runs of the tutorial's network, data and epochs at its setting. To train them:"
        return [Paragraph(_described()), Placeholder(text, COMMAND)]
    columns = [
        text_column("arm", "arm"),
        Column("tutorial, one run", fmt.percent, ("claimed",)),
        Column("our runs that learned", lambda k, n: f"{k} of {n}", ("n_learned", "n")),
        interval_column("their mean [prediction interval for a single run that learns]", "ours", fmt.share),
        text_column("inside", "inside"),
    ]
    caption = f"The tutorial's numbers beside ours: test accuracy after the last epoch at {fmt.cell(PUBLISHED_CELL)}"
    return [
        Paragraph("The tutorial leaves out the last incomplete batch of the test images; we count all of them."),
        Table("tutorial", caption, columns, [_row(claim) for claim in claims]),
    ]


def _described() -> str:
    hidden = PUBLISHED_DESIGN["hidden"]
    assert isinstance(hidden, tuple)
    return TUTORIAL.format(
        setting=fmt.cell(PUBLISHED_CELL),
        widths=fmt.listing([*dict.fromkeys(map(str, hidden))]),
        dataset=fmt.dataset(str(PUBLISHED_DESIGN["dataset"])),
        epochs=PUBLISHED_DESIGN["epochs"],
    )


def _claim(claim: Claim) -> str:
    statement = f"It reports {fmt.percent(claim.claimed)} {fmt.side(claim.arm)}"
    n_learned, failed = claim.ours.n, claim.ours.n < claim.n
    if claim.inside is None:
        runs = f"{n_learned} of our {claim.n} runs learned" if failed else f"we have {fmt.seeds(n_learned)}"
        return f"{statement}; {runs}, too few for a prediction interval."
    where = "inside" if claim.inside else "outside"
    ends = fmt.share(*fmt.as_triple(claim.ours))
    one, of = (" that learns", f"{n_learned} of {claim.n} runs that learned") if failed else ("", fmt.seeds(n_learned))
    level = fmt.level(claim.ours.level)
    return f"{statement}, {where} our {level} prediction interval for a single run{one}: {ends} ({of})."


def _row(claim: Claim) -> dict[str, Any]:
    inside = None if claim.inside is None else "yes" if claim.inside else "no"
    return {
        "arm": fmt.side(claim.arm),
        "claimed": claim.claimed,
        "n_learned": claim.ours.n,
        "n": claim.n,
        **interval_values("ours", claim.ours),
        "level": claim.ours.level,
        "inside": inside,
    }
