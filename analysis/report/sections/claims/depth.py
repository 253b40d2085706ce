"""Accuracy by depth and activation: with PyTorch's first weights, with those that suit the activation, and by what of
batch norm is learnt."""

from collections.abc import Mapping, Sequence
from functools import partial

from analysis.findings.claims.depth import WEIGHTS, DepthPanel, affine_panels, depth_panels
from analysis.records.claims import ClaimsData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, text_column
from analysis.report.document import Figure, Table
from analysis.report.figures.claims import depth as drawings
from analysis.report.sections.claims.places import AFFINE, DEPTH
from study.spec.arms import DEFAULT_ARMS

BN, NONE = DEFAULT_ARMS


def figure(claims: ClaimsData, level: float) -> Figure | None:
    panels = depth_panels(claims, level)
    return _figure(DEPTH, "Accuracy by depth and activation", panels, (BN, NONE)) if panels else None


def affine(claims: ClaimsData, level: float) -> Figure | None:
    """Return the accuracy by what of batch norm is learnt; None where that was not trained."""
    panels = affine_panels(claims, level)
    return _figure(AFFINE, "Accuracy by what of batch norm is learnt", panels, ("bn_no_affine", BN)) if panels else None


def _figure(name: str, what: str, panels: Sequence[DepthPanel], arms: tuple[str, str]) -> Figure:
    (line, *_), n = panels[0].lines, max(of.n for panel in panels for of in panel.lines)
    return Figure(
        name=name,
        headline=_headline(panels, arms),
        subtitle=f"Test accuracy (%) after the last epoch by number of hidden layers, a panel an activation;"
        f" {fmt.seeds(n)}{_failed(panels)}.",
        draw=partial(drawings.depth_panels, panels),
        alt="; ".join(_in_words(panel) for panel in panels) + ".",
        caption=(
            f"Line: mean over seeds. Points: single seeds. Band: {fmt.level(line.level)} simultaneous over the depths"
            " of a line (sup-t). The axis is stretched towards 100 %. A run that diverged counts at chance."
        ),
        table=_table(name, what, panels),
    )


def _headline(panels: Sequence[DepthPanel], arms: tuple[str, str]) -> str:
    """Return from where to where the difference between two arms lies at the largest depth, over all panels."""
    deepest = max(depth for panel in panels for line in panel.lines for depth in line.at)
    one, other = (_at(panels, arm, deepest) for arm in arms)
    gaps = [one[key] - other[key] for key in one if key in other]
    if not gaps:
        return f"Accuracy of {len({line.arm for panel in panels for line in panel.lines})} arms by depth and activation"
    ends = [*dict.fromkeys(fmt.points(pick(gaps), 1) for pick in (min, max))]
    what = "At {} layers BN changes accuracy" if arms == (BN, NONE) else "Without gamma and beta {} layers change"
    return f"{what.format(f'{deepest:g}')} by {' to '.join(ends)} points"


def _at(panels: Sequence[DepthPanel], arm: str, depth: float) -> Mapping[tuple[str, str], float]:
    """Return the means of an arm at a depth, by activation and first weights."""
    lines = {(panel.activation, panel.weights): line for panel in panels for line in panel.lines if line.arm == arm}
    return {key: line.mean[line.at.index(depth)] for key, line in lines.items() if depth in line.at}


def _failed(panels: Sequence[DepthPanel]) -> str:
    """Return by arm how many runs failed, where any did."""
    counts: dict[str, int] = {}
    for panel in panels:
        for arm, failed in panel.n_failed.items():
            counts[arm] = counts.get(arm, 0) + sum(failed)
    sides = [f"{n} {fmt.side(arm)}" for arm, n in counts.items() if n]
    return f"; runs that failed: {fmt.listing(sides)}" if sides else ""


def _in_words(panel: DepthPanel) -> str:
    of = [
        f"{fmt.side(line.arm)} {', '.join(fmt.percent(mean, 1) for mean in line.mean)} at"
        f" {', '.join(f'{depth:g}' for depth in line.at)} layers"
        for line in panel.lines
    ]
    return f"{panel.title}, {WEIGHTS[panel.weights]} weights: {'; '.join(of)}"


def _table(name: str, what: str, panels: Sequence[DepthPanel]) -> Table:
    columns = [
        text_column("activation", "activation"),
        text_column("first weights", "weights"),
        text_column("arm", "arm"),
        count_column("layers", "depth"),
        interval_column("mean accuracy [band]", "accuracy", fmt.share),
        count_column("failed", "n_failed"),
        count_column("runs", "n"),
    ]
    rows = [
        {
            "activation": panel.title, "weights": WEIGHTS[panel.weights], "arm": fmt.side(line.arm),
            "depth": int(depth),
            "accuracy": mean, "accuracy_low": low, "accuracy_high": high, "n_failed": failed, "n": line.n,
        }
        for panel in panels
        for line in panel.lines
        for depth, mean, low, high, failed in zip(
            line.at, line.mean, line.low, line.high, panel.n_failed[line.arm], strict=True
        )
    ]  # fmt: skip
    return Table(name, what, columns, rows)
