"""The content of ``report.json``: every number and sentence of the page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from analysis.findings import contrasts
from analysis.findings.claims.ledger import Ledger
from analysis.findings.looks import looks
from analysis.findings.results import Results
from analysis.records.cells import levels, row_of
from analysis.records.completeness import completeness, n_missing
from analysis.records.rule import rule_of
from analysis.records.tables import PRIMARY, StudyData
from analysis.report import number_format as fmt
from analysis.report.first_screen.screen import Screen
from analysis.report.sections import order
from analysis.report.sections.learning import balanced_accuracy
from analysis.report.sentences import answer as answer_sentences
from analysis.report.sentences import inference as inference_sentences
from analysis.report.sentences import machines
from analysis.report.sentences import rule as rule_sentences
from analysis.report.sentences import summary as sentences
from analysis.stats.power import attainable_p, seeds_to_reach
from study.spec.commands import OUT, report_on
from study.spec.factors import FACTORS, Cell
from study.store.scores import LAST_EPOCHS

SCHEMA_VERSION = 5


def contents(study: StudyData, results: Results, first: Screen) -> dict[str, Any]:
    """Return the content as JSON values alone, NaN and infinity as null."""
    return _json_value(
        {
            "schema_version": SCHEMA_VERSION,
            "study_id": study.name,
            **({"at": study.at} if study.at else {}),
            "dataset": study.design.dataset,
            "alpha": results.alpha,
            "margin": results.margin,
            "rule": rule_of(study, results.alpha, results.margin),
            "primary_endpoint": PRIMARY,
            "title": first.title,
            "date": study.manifest.get("date"),
            "cards": first.cards,
            "how_sure": first.how_sure,
            "not_tested": first.not_tested,
            "take_aways": first.take_aways,
            "warnings": warnings(study, results),
            "notes": notes(study, results),
            "verdicts": [_verdict(study, results, arm) for arm in study.treatments],
            "scope": " ".join([_scope(study), *rule_sentences.scope(study)]),
            "answers": results.answers,
            "contrasts": results.contrasts,
            **({} if results.all_pairs is None else {"baseline": study.baseline, "all_pairs": results.all_pairs}),
            "findings": results.of_arms,
            "modes": results.modes,
            "ledger": [] if results.modes is None else inference_sentences.ledger(results.modes, results.margin),
            "looks": [look.recorded() for look in looks(study, results)],
            "completeness": completeness(study),
            "unpaired": [line for arm in study.treatments for line in study.unpaired(arm, study.baseline)],
            "curves": results.curves,
            "arm_cells": results.arm_cells,
            "accuracy_shares": results.accuracy_shares,
            "claims": results.claims,
            "generalisation": results.generalisation,
            "tuned": results.tuned,
            "comparisons": results.comparisons,
            **({"balanced_accuracy": results.balanced} if results.balanced else {}),
            **({} if results.ledger is None else {"tutorial_ledger": _ledger(results.ledger)}),
        },
        study.cell_key,
    )


def _ledger(ledger: Ledger) -> dict[str, Any]:
    """Return the rows of the ledger, each with what was found, and the verdicts of the claims."""
    return {
        "alpha": ledger.alpha,
        "rows": [entry.to_dict() for entry in ledger.entries],
        "claims": [{"claim": of.claim, "verdict": of.verdict} for of in ledger.claims],
    }


def _verdict(study: StudyData, results: Results, arm: str) -> dict[str, Any]:
    answer = results.answers[arm]
    searched = next((tuned for tuned in results.tuned if tuned.arm == arm), None)
    cells = study.common_cells(arm, study.baseline)
    parts = answer_sentences.told(answer, study.design.dataset, searched, cells)
    return {
        "arm": arm,
        "verdict": answer.first.verdict,
        "qualified": answer.qualified,
        "headline": next(part.headline for part in parts if part.key == answer.first.key),
        "parts": parts,
        "what_would_change_it": sentences.what_would_change_it(answer, results.of_arms[arm]),
    }


def warnings(study: StudyData, results: Results) -> list[str]:
    """Return what a reader must know with the title: a slice, other data, gaps, one arm, few seeds, no run that learns,
    a rule that was not fixed before."""
    rules = (_slice, _data, _gaps, _one_arm, _few_seeds, _all_failed, rule_sentences.notices)
    return [warning for rule in rules for warning in rule(study, results)]


def notes(study: StudyData, results: Results) -> list[str]:
    """Return what a reader must know before the answer is quoted: how failures count, earlier analyses."""
    rules = (_several_arms, _few_epochs, _unequal_classes, _some_failed, _failed_tuned, machines.notes, _looked)
    return [note for rule in rules for note in rule(study, results)]


def _slice(study: StudyData, results: Results) -> Iterator[str]:
    if study.whole is not None:
        n, of = len(study.design.cells), fmt.units(len(study.whole.design.cells), "settings")
        yield (
            f"A SLICE of the study, {study.where} alone: {n} of its {of}. Every number is of these, and they and their"
            " mean are tested as one family. Nothing corrects for the choice of a slice. The whole study:"
            f" {report_on(OUT / study.name)}"
        )


def _data(study: StudyData, results: Results) -> Iterator[str]:
    if study.manifest["data"]["notice"]:
        yield study.manifest["data"]["notice"]


def _gaps(study: StudyData, results: Results) -> Iterator[str]:
    missing = n_missing(study)
    if missing:
        verb = "has" if missing == 1 else "have"
        yield f"INCOMPLETE: {missing} of {len(study.design.runs)} planned runs {verb} no records yet."


def _several_arms(study: StudyData, results: Results) -> Iterator[str]:
    n_arms = len(study.treatments)
    if n_arms > 1:
        yield (
            f"{n_arms} arms are compared with {fmt.arm_name(study.baseline)} as one family: the answers below hold for"
            f" all of them together at {results.alpha:g}. Speed, rates and sensitivity are told of each arm by itself."
        )


def _one_arm(study: StudyData, results: Results) -> Iterator[str]:
    if not study.treatments:
        yield f"Only {', '.join(study.design.arms)} was trained: there is nothing to compare."


def _few_seeds(study: StudyData, results: Results) -> Iterator[str]:
    if not study.treatments:
        return
    n_seeds = min(contrasts.overall(results.contrasts, arm).n_pairs for arm in study.treatments)
    enough = seeds_to_reach(results.alpha)
    if n_seeds < enough:
        yield (
            f"Only {fmt.seeds(n_seeds)} with a pair in every setting: the exact test cannot fall below p ="
            f" {attainable_p(n_seeds):g}. At least {enough} are needed to reach {results.alpha:g}."
        )


def _few_epochs(study: StudyData, results: Results) -> Iterator[str]:
    if study.design.epochs < LAST_EPOCHS:
        epochs = fmt.units(study.design.epochs, "epochs")
        yield f"Only {epochs}: the mean of the last three epochs is that of the epochs there are."


def _unequal_classes(study: StudyData, results: Results) -> Iterator[str]:
    yield from balanced_accuracy.notes(study, results.balanced)


def _all_failed(study: StudyData, results: Results) -> Iterator[str]:
    if study.all_failed:
        yield "EVERY RUN FAILED: all arms are at chance, and the comparison says nothing about learning."


def _some_failed(study: StudyData, results: Results) -> Iterator[str]:
    outcomes = study.outcomes
    if outcomes.failed.any() and not study.all_failed:
        baseline_first = sorted(study.design.arms, key=lambda arm: arm != study.baseline)
        of_arm = {arm: outcomes.failed[outcomes.arm == arm] for arm in baseline_first}
        sides = [f"{failed.sum()} of {len(failed)} {fmt.side(arm)}" for arm, failed in of_arm.items()]
        chance = fmt.percent(study.chance, 0)
        yield (
            f"Some runs did not learn: {fmt.listing(sides)}. Each arm's best and the mean include them at the accuracy"
            f" that they reached, diverged runs at chance ({chance})."
        )


def _failed_tuned(study: StudyData, results: Results) -> Iterator[str]:
    pairs = {of_arm.arm: of_arm.after for of_arm in results.tuned}
    if not any(pair.n_failed_baseline or pair.n_failed_arm for pair in pairs.values()):
        return
    most = max(pairs.values(), key=lambda pair: pair.n_runs)
    failed = [(study.baseline, most.n_failed_baseline, most.n_runs)]
    failed += [(arm, pair.n_failed_arm, pair.n_runs) for arm, pair in pairs.items()]
    sides = [f"{n_failed} of {n_runs} {fmt.side(arm)}" for arm, n_failed, n_runs in failed]
    yield f"Some tuned runs failed: {fmt.listing(sides)}. They count as they ended, diverged ones at chance."


def _looked(study: StudyData, results: Results) -> Iterator[str]:
    every = [look for look in looks(study, results) if look.baseline == study.changed_baseline]
    seen = {arm: [look.seeds for look in every if look.arm == arm] for arm in study.treatments}
    most = max(seen.values(), key=len, default=[])
    if len(most) > 1:
        yield (
            f"These data have been analysed {len(most)} times, with {', '.join(map(str, most))} seeds: later p-values"
            f" are too small. The e-value stays valid (appendix, {order.title('trust', study, results)})."
        )


def _scope(study: StudyData) -> str:
    design = study.design
    network = "networks" if fmt.settled(design, "widths") else f"a {fmt.network(design)} network"
    optimiser = "" if fmt.settled(design, "optimiser") else " Adam,"
    grid = [f"{fmt.levels_of(f)} {', '.join(map(f.show, design.levels(f.key)))}" for f in design.factors]
    tuned = ", and what each arm was tuned to" if design.tuned else ""
    return (
        f"Scope: {network}{fmt.activation(design)},{optimiser} cross-entropy, {fmt.units(design.epochs, 'epochs')}"
        f" on {fmt.dataset(design.dataset)}; {'; '.join(grid)}{tuned};"
        f" {fmt.seeds(len(design.seeds))}, the same for {fmt.every_arm(design.arms)}."
    )


def _json_value(value: Any, key: Sequence[str]) -> Any:
    """Return a JSON value: dataclasses as objects, a cell in the place of its field as its levels in ``key``, null for
    what is no finite number, of which JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Cell):
        return list(levels(value, key))
    if is_dataclass(value):
        return {name: _json_value(item, key) for name, item in _fields(value, key)}
    if isinstance(value, Mapping):
        return {name: _json_value(item, key) for name, item in value.items()}
    return [_json_value(item, key) for item in value] if isinstance(value, list | tuple) else value


def _fields(value: Any, key: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a dataclass; what it has by factor stands among them, each factor under its own name."""
    for field in fields(value):
        item = getattr(value, field.name)
        if field.name == "cell":
            yield from row_of(item, key).items()
        elif field.name == "space":
            yield from ((FACTORS[name].field or name, item[name]) for name in item)
        elif field.name in ("at", "shares") and isinstance(item, Mapping):
            yield from item.items()
        else:
            yield field.name, item
