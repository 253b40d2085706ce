"""What a report says: every number and sentence of the page, as ``report.json`` holds them."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis import contrasts, mode_words, words
from analysis.contrasts import Contrast
from analysis.findings import Evidence, Results
from analysis.pairs import pair
from analysis.power import attainable_p, seeds_to_reach
from analysis.tables import PRIMARY, Study

SCHEMA_VERSION = 2


def contents(study: Study, found: Results) -> dict[str, Any]:
    """JSON values alone, NaN and infinity as null."""
    return _plain(
        {
            "schema_version": SCHEMA_VERSION,
            "study_id": study.name,
            "dataset": study.design.dataset,
            "alpha": found.alpha,
            "margin": found.margin,
            "primary_endpoint": PRIMARY,
            "notices": notices(study, found.contrasts, found.alpha),
            "verdicts": [_verdict(study, found, arm) for arm in study.contenders],
            "scope": _scope(study),
            "contrasts": [asdict(contrast) for contrast in found.contrasts],
            "findings": {arm: asdict(of_arm) for arm, of_arm in found.of_arms.items()},
            "modes": None if found.modes is None else asdict(found.modes),
            "ledger": [] if found.modes is None else mode_words.ledger(found.modes, found.alpha),
            "looks": looks(study, found),
            "completeness": completeness(study),
            "unpaired": [line for arm in study.contenders for line in pair(study, arm, PRIMARY).unpaired],
            "curves": [asdict(curve) for curve in found.curves],
        }
    )


def _verdict(study: Study, found: Results, arm: str) -> dict[str, Any]:
    whole, cells = contrasts.whole(found.contrasts, arm), list(contrasts.by_cell(found.contrasts, arm).values())
    return {
        "arm": arm,
        "verdict": whole.verdict,
        "headline": words.headline(whole, study.design.dataset),
        "tests": words.both_tests(whole),
        "by_cell": words.by_cell(cells, found.of_arms[arm].sequence[-1].licensed),
        "failures": words.failures(whole),
    }


def looks(study: Study, found: Results) -> list[dict[str, Any]]:
    """Every look at the study so far, this one last: what was seen of each arm, with how many seeds."""
    before = study.manifest.get("looks", [])
    now = [_look(contrasts.whole(found.contrasts, arm), of_arm.evidence) for arm, of_arm in found.of_arms.items()]
    return [*before, *(look for look in now if look not in before)]


def _look(whole: Contrast, evidence: Evidence) -> dict[str, Any]:
    return _plain(
        {
            "arm": whole.arm,
            "alpha": whole.alpha,
            "seeds": whole.n_pairs,
            "mean_diff": whole.mean_diff,
            "p_t": whole.t.pvalue,
            "p_sign_flip": whole.sign_flip.pvalue,
            "e_value": evidence.gaussian[-1] if evidence.n else math.nan,
        }
    )


def completeness(study: Study) -> dict[str, dict[str, int]]:
    """How many runs were planned and what became of them, by arm."""
    status = pd.crosstab(study.runs.arm, study.runs.status)
    failed = study.outcomes[study.outcomes.failed & ~study.outcomes.diverged].arm.value_counts()
    counts: dict[str, Any] = {
        "recorded": study.runs.arm.value_counts(),
        "diverged": status.get("diverged", {}),
        "failed to learn": failed,
        "not applicable": status.get("not_applicable", {}),
    }
    planned = len(study.design.runs) // len(study.design.arms)
    return {
        arm: {"planned": planned} | {what: int(count.get(arm, 0)) for what, count in counts.items()}
        for arm in study.design.arms
    }


def notices(study: Study, found: Sequence[Contrast], alpha: float) -> list[str]:
    """What a reader must know before the answer: another data set, nothing to compare, few seeds, gaps."""
    said = [study.manifest["data"]["notice"]] if study.manifest["data"]["notice"] else []
    n_missing = len(study.design.runs) - len(study.runs)
    n_seeds = min((contrasts.whole(found, arm).n_pairs for arm in study.contenders), default=0)
    enough = seeds_to_reach(alpha)
    if not study.contenders:
        said.append(f"Only {', '.join(study.design.arms)} was trained: there is nothing to compare.")
    elif n_seeds < enough:
        floor = attainable_p(n_seeds)
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
