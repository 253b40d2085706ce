"""What a report says: every number and sentence of the page, as ``report.json`` holds them."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analysis import contrasts, words
from analysis.contrasts import Contrast, Curve
from analysis.pairs import PRIMARY, Study, pair

SCHEMA_VERSION = 1


def contents(
    study: Study, found: Sequence[Contrast], curves: Sequence[Curve], alpha: float, margin: float
) -> dict[str, Any]:
    """JSON values alone, NaN as null."""
    return _plain(
        {
            "schema_version": SCHEMA_VERSION,
            "study_id": study.name,
            "dataset": study.design.dataset,
            "alpha": alpha,
            "margin": margin,
            "primary_endpoint": PRIMARY,
            "notices": notices(study, found, alpha),
            "verdicts": [_verdict(study, found, arm) for arm in study.contenders],
            "scope": _scope(study),
            "contrasts": [asdict(contrast) for contrast in found],
            "completeness": contrasts.completeness(study),
            "unpaired": [line for arm in study.contenders for line in pair(study, arm, PRIMARY).unpaired],
            "curves": [asdict(curve) for curve in curves],
        }
    )


def _verdict(study: Study, found: Sequence[Contrast], arm: str) -> dict[str, Any]:
    whole, cells = contrasts.whole(found, arm), list(contrasts.by_cell(found, arm).values())
    return {
        "arm": arm,
        "verdict": whole.verdict,
        "headline": words.headline(whole, study.design.dataset),
        "tests": words.both_tests(whole),
        "by_cell": words.by_cell(cells),
        "failures": words.failures(whole),
    }


def notices(study: Study, found: Sequence[Contrast], alpha: float) -> list[str]:
    """What a reader must know before the answer: another data set, nothing to compare, few seeds, gaps."""
    said = [study.manifest["data"]["notice"]] if study.manifest["data"]["notice"] else []
    n_missing = len(study.design.runs) - len(study.runs)
    n_seeds = min((contrasts.whole(found, arm).n_pairs for arm in study.contenders), default=0)
    enough = next(n for n in range(1, 1000) if 2 / 2**n <= alpha)
    if not study.contenders:
        said.append(f"Only {', '.join(study.design.arms)} was trained: there is nothing to compare.")
    elif n_seeds < enough:
        floor = min(1.0, 2 / 2**n_seeds)
        said.append(
            f"Only {n_seeds} seeds with a pair in every cell: the exact test cannot fall below p = {floor:g}."
            f" It takes {enough} to reach {alpha:g}."
        )
    if study.design.epochs < 3:
        said.append(f"Only {study.design.epochs} epochs: the mean of the last three is that of the epochs there are.")
    if len(study.outcomes) and study.outcomes.failed.all():
        said.append("EVERY RUN FAILED: both arms are at chance, and the comparison says nothing about learning.")
    if n_missing:
        said.append(f"INCOMPLETE: {n_missing} of {len(study.design.runs)} planned runs have no records yet.")
    return said


def _scope(study: Study) -> str:
    design = study.design
    network = "-".join(map(str, design.widths))
    sizes, lrs = ", ".join(map(str, design.batch_sizes)), ", ".join(map(words.rate, design.lrs))
    return (
        f"Scope: a {network} network with ReLU, Adam, cross-entropy, {design.epochs} epochs on"
        f" {words.DATASET_NAMES[design.dataset]}; batch sizes {sizes}; learning rates {lrs};"
        f" {len(design.seeds)} seeds, the same for both arms. Nothing is claimed beyond it."
    )


def _plain(value: Any) -> Any:
    """JSON has no NaN: null instead, everywhere."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
