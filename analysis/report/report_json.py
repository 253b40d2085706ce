"""What a report says: every number and sentence of the page, as ``report.json`` holds them."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from analysis.findings import contrasts
from analysis.findings.looks import looks
from analysis.findings.results import Results
from analysis.records.completeness import completeness, n_missing
from analysis.records.tables import PRIMARY, Study
from analysis.report import inference_sentences as mode_words
from analysis.report import number_format as words
from analysis.report import sentences
from analysis.stats.power import attainable_p, seeds_to_reach

SCHEMA_VERSION = 3


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
            "notices": notices(study, found),
            "verdicts": [_verdict(study, found, arm) for arm in study.contenders],
            "scope": _scope(study),
            "contrasts": [asdict(contrast) for contrast in found.contrasts],
            "findings": {arm: asdict(of_arm) for arm, of_arm in found.of_arms.items()},
            "modes": None if found.modes is None else asdict(found.modes),
            "ledger": [] if found.modes is None else mode_words.ledger(found.modes, found.alpha),
            "looks": [asdict(look) for look in looks(study, found)],
            "completeness": completeness(study),
            "unpaired": [line for arm in study.contenders for line in study.unpaired(arm, study.baseline)],
            "curves": [asdict(curve) for curve in found.curves],
            "arm_cells": [asdict(cell) for cell in found.arm_cells],
            "claims": [asdict(claim) for claim in found.claims],
            "tuned": [asdict(of_arm) for of_arm in found.tuned],
            "comparisons": [asdict(comparison) for comparison in found.comparisons],
        }
    )


def _verdict(study: Study, found: Results, arm: str) -> dict[str, Any]:
    whole, cells = contrasts.whole(found.contrasts, arm), list(contrasts.by_cell(found.contrasts, arm).values())
    of_arm = found.of_arms[arm]
    return {
        "arm": arm,
        "verdict": whole.verdict,
        "headline": sentences.headline(whole, study.design.dataset, bool(study.design.tuned)),
        "tests": sentences.both_tests(whole),
        "by_cell": sentences.by_cell(cells, of_arm.sequence[-1].licensed),
        "tuned": [
            line
            for of_tuned in found.tuned
            if of_tuned.arm == arm
            for line in (sentences.tuned(of_tuned, study.design.dataset), sentences.share_of_gap(of_tuned))
        ],
        "failures": sentences.failures(whole),
        "what_would_change_it": sentences.what_would_change_it(whole, of_arm.sensitivity, of_arm.plan),
    }


def notices(study: Study, found: Results) -> list[str]:
    """What a reader must know before the answer: other data, gaps, nothing to compare, few seeds, failures, looks."""
    rules = (_data, _gaps, _few_seeds, _few_epochs, _failed, _failed_tuned, _looked)
    return [notice for rule in rules for notice in rule(study, found)]


def _data(study: Study, found: Results) -> Iterator[str]:
    if study.manifest["data"]["notice"]:
        yield study.manifest["data"]["notice"]


def _gaps(study: Study, found: Results) -> Iterator[str]:
    missing = n_missing(study)
    if missing:
        yield f"INCOMPLETE: {missing} of {len(study.design.runs)} planned runs have no records yet."


def _few_seeds(study: Study, found: Results) -> Iterator[str]:
    if not study.contenders:
        yield f"Only {', '.join(study.design.arms)} was trained: there is nothing to compare."
        return
    n_seeds = min(contrasts.whole(found.contrasts, arm).n_pairs for arm in study.contenders)
    enough = seeds_to_reach(found.alpha)
    if n_seeds < enough:
        yield (
            f"Only {words.seeds(n_seeds)} with a pair in every cell: the exact test cannot fall below p ="
            f" {attainable_p(n_seeds):g}. It takes {enough} to reach {found.alpha:g}."
        )


def _few_epochs(study: Study, found: Results) -> Iterator[str]:
    if study.design.epochs < 3:
        yield f"Only {study.design.epochs} epochs: the mean of the last three is that of the epochs there are."


def _failed(study: Study, found: Results) -> Iterator[str]:
    outcomes = study.outcomes
    if len(outcomes) and outcomes.failed.all():
        yield "EVERY RUN FAILED: all arms are at chance, and the comparison says nothing about learning."
    elif outcomes.failed.any():
        of_arm = {arm: outcomes.failed[outcomes.arm == arm] for arm in reversed(study.design.arms)}  # baseline first
        sides = [f"{failed.sum()} of {len(failed)} {words.side(arm)}" for arm, failed in of_arm.items()]
        yield f"Some runs failed: {' and '.join(sides)}. They count as they ended, a diverged one as chance."


def _failed_tuned(study: Study, found: Results) -> Iterator[str]:
    for of_arm in found.tuned:
        runs = of_arm.primary
        if runs.n_failed_baseline or runs.n_failed_arm:
            sides = [
                f"{n_failed} of {runs.n_runs} {words.side(arm)}"
                for arm, n_failed in ((runs.baseline, runs.n_failed_baseline), (runs.arm, runs.n_failed_arm))
            ]
            yield f"Some tuned runs failed: {' and '.join(sides)}. They count as they ended, a diverged one as chance."


def _looked(study: Study, found: Results) -> Iterator[str]:
    seen = {arm: [look.seeds for look in looks(study, found) if look.arm == arm] for arm in study.contenders}
    most = max(seen.values(), key=len, default=[])
    if len(most) > 1:
        yield (
            f"These data have been looked at {len(most)} times, with {', '.join(map(str, most))} seeds: a p-value of a"
            " later look is not what it seems; the e-value in part 9 is."
        )


def _scope(study: Study) -> str:
    design = study.design
    network = "-".join(map(str, design.widths))
    sizes, lrs = ", ".join(map(str, design.batch_sizes)), ", ".join(map(words.rate, design.lrs))
    tuned = ", and what each arm was tuned to" if design.tuned else ""
    return (
        f"Scope: a {network} network with ReLU, Adam, cross-entropy, {design.epochs} epochs on"
        f" {words.DATASET_NAMES[design.dataset]}; batch sizes {sizes}; learning rates {lrs}{tuned};"
        f" {words.seeds(len(design.seeds))}, the same for both arms. Nothing is claimed beyond it."
    )


def _plain(value: Any) -> Any:
    """JSON has no NaN: null instead, everywhere."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
