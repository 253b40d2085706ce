"""On which machines was a study computed, and what did they keep? In words, from its manifest."""

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from study.spec.checks import counted


def notes(study: StudyData, results: Results) -> Iterator[str]:
    """Yield that machines of different arithmetic computed the study, which its digests show."""
    if study.manifest.get("mixed_numerics"):
        yield (
            "Machines that compute with different bits made these numbers (--mixed-numerics): trained again on one"
            " machine they would differ a little."
        )


def provenance(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield terms and texts on compiler, processor, networks and mixed numerics, each where there is one."""
    if "compiler" in manifest:
        yield "compiler", manifest["compiler"]["version"]
    if manifest.get("processor", manifest["device"]["name"]) != manifest["device"]["name"]:
        yield "processor", manifest["processor"]
    commands = [*manifest["earlier"], manifest]
    omitting = sum(command.get("networks", True) is False for command in commands)
    if omitting:
        which = "none kept" if omitting == len(commands) else f"none kept by {omitting} of {len(commands)} commands"
        yield "networks", f"{which} (--no-networks): inference modes cannot be evaluated without them"
    for mixed in manifest.get("mixed_numerics", ()):
        yield "mixed numerics", _mixed(mixed)


def _mixed(mixed: Mapping[str, Any]) -> str:
    n = counted(len(mixed["numerics"]), "numerics digest")
    verb = "differs" if len(mixed["numerics"]) == 1 else "differ"
    return (
        f"{mixed['work']} in environment {mixed['environment']} (manifest.json spells it out), where {n} {verb} from"
        " the study's first (--mixed-numerics)"
    )
