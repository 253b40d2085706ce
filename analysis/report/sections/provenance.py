"""Where does it come from? The manifest of the study."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.findings.looks import Look, looks
from analysis.findings.results import Results
from analysis.records.rule import rule_of
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Block, Definition, Definitions, Paragraph, Section
from analysis.report.sentences import machines
from analysis.report.sentences import rule as rule_sentences
from study.spec.commands import OUT, report_on

WHERE = f"The commands on this page run from the folder that holds {OUT}."


def section(study: StudyData, results: Results) -> Section:
    blocks: list[Block] = [Paragraph(WHERE), Definitions([*_terms(study, results)])]
    seen = looks(study, results)
    if seen:
        blocks.append(Paragraph(_analyses(seen)))
    return Section("provenance", "Provenance", details=blocks)


def _terms(study: StudyData, results: Results) -> Iterator[Definition]:
    manifest = study.manifest
    yield Definition("study", study.name)
    for earlier in manifest["earlier"]:
        yield Definition(_dated("earlier command", earlier), earlier["argv"], code=True)
    yield Definition(_dated("command", manifest), manifest["argv"], code=True)
    yield Definition("rule", rule_sentences.provenance(rule_of(study)))
    yield Definition("report", _report(study, results), code=True)
    yield Definition("design", json.dumps(study.design.to_dict(), ensure_ascii=False), code=True)
    yield Definition("design digest", manifest["digest"], code=True)
    yield Definition("program", _program(manifest["git"]))
    yield Definition("versions", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()))
    device = manifest["device"]
    yield Definition(
        "device",
        f"{device['kind']}: {device['name']}, {device['workers']} workers, engine {device.get('engine', 'not named')}",
    )
    for term, text in machines.provenance(manifest):
        yield Definition(term, text)
    yield Definition("data", manifest["data"]["name"])
    for file, sha256 in manifest["data"]["sha256"].items():
        yield Definition(f"sha256 of {file}", sha256, code=True)
    if "tuning" in manifest:
        yield Definition(
            "tuning", ", ".join(f"{name} {value}" for name, value in manifest["tuning"].items()), code=True
        )
    yield Definition("time", _time(manifest["timings"]))


def _dated(term: str, command: Mapping[str, Any]) -> str:
    return f"{term}, {command['date']}" if "date" in command else term


def _report(study: StudyData, results: Results) -> str:
    others = [str(OUT / name) for name in dict.fromkeys(comparison.name for comparison in results.comparisons)]
    compare = ["--compare", *others] if others else []
    judged = ["--margin", f"{results.margin:g}", "--alpha", f"{results.alpha:g}"]
    return report_on(OUT / study.name, *judged, *compare)


def _program(git: Mapping[str, Any]) -> str:
    if not git["commit"]:
        return "not in a git checkout"
    return f"commit {git['commit']}{', changed since' if git['dirty'] else ''}"


def _time(timings: Mapping[str, float]) -> str:
    if "training_seconds" not in timings:
        return "not recorded"
    return f"{timings['training_seconds']:.0f} s of training by the last command"


def _analyses(seen: Sequence[Look]) -> str:
    """Return how often these data were analysed, this time included."""
    if len(seen) == 1:
        return f"This is the first analysis of these data ({_look(seen[0])})."
    return f"Analyses of these data so far, this one included: {'; '.join(map(_look, seen))}."


def _look(look: Look) -> str:
    return f"{fmt.side(look.arm)}, {fmt.seeds(look.seeds)}, alpha {look.alpha:g}"
