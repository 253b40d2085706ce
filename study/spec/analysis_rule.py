"""By which rule, level and margin a study's answer is judged, fixed before its first run.

They stand in the manifest beside the design and are no part of it: no digest, run or record follows from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from study.errors import UsageError, quote, truncate
from study.spec import commands
from study.spec.checks import nearest

ALPHA, MARGIN = 0.05, 0.002
"""What a study fixes whose first command names none: the level of every test, and a difference of accuracy (a fraction)
that would not matter."""
DECISIONS = ("two-part-1",)
"""Names of decision rules, the newest last. ``two-part-1``: failures to learn are counted, differences are of the pairs
in which both arms learn; better or worse where the simultaneous interval excludes 0."""


@dataclass(frozen=True)
class FixedRule:
    """The entry ``analysis_rule`` of a manifest."""

    rule: str
    """One of DECISIONS."""
    alpha: float
    margin: float
    date: str
    """When it was fixed, such as 2026-11-30."""


@dataclass(frozen=True)
class AskedRule:
    """Level and margin as a command names them; None where it leaves them to what is fixed."""

    alpha: float | None = None
    margin: float | None = None
    since: str | None = None
    """The date on which they were fixed, where a search did so before its first trial."""
    baseline: str | None = None
    """The arm that the others are compared with; None leaves it as it is."""

    @property
    def named(self) -> dict[str, float]:
        """The values that are named, by their names."""
        values = {"alpha": self.alpha, "margin": self.margin}
        return {name: value for name, value in values.items() if value is not None}

    def fix(self, date: str) -> FixedRule:
        """Return the rule of a new study: what is named, the rest as by default."""
        values = {"alpha": ALPHA, "margin": MARGIN} | self.named
        return FixedRule(DECISIONS[-1], **values, date=self.since or date)

    def check(self, study: Path, fixed: FixedRule | None, has_runs: bool) -> None:
        """Refuse values other than the study's, or any where its runs began before a rule was fixed."""
        if fixed is not None:
            changed = {name: value for name, value in self.named.items() if value != getattr(fixed, name)}
            has = _in_words({name: getattr(fixed, name) for name in changed})
            _refuse(study, changed, f"fixed {has} on {fixed.date}, before its first run", "changed")
        elif has_runs:
            has = " and ".join(f"no {name}" for name in self.named)
            _refuse(study, self.named, f"fixed {has} before its first run", "chosen after looking")

    def check_baseline(self, study: Path, arms: Sequence[str], fixed: str | None) -> None:
        """Refuse a baseline that is none of the ``arms``, or another than the one ``fixed`` by a study with runs."""
        named = self.baseline
        if named is None:
            return
        if named not in arms:
            near = nearest(named, arms) or arms[0]
            raise UsageError(
                f"--baseline {quote(named)}: the baseline is one of the study's arms, which are {', '.join(arms)}; give"
                f" --baseline {near}, or train it too: --arms {' '.join([*arms, truncate(named)])}"
            )
        if fixed not in (None, named):
            report = commands.report_on(study, "--baseline", named)
            raise UsageError(
                f"--baseline {named}: the arms of {commands.shown_path(study)} are compared with {fixed} since its"
                f" first run. Leave it out, or give it to the report alone, which says so: {report}"
            )


AS_FIXED = AskedRule()
"""What a command asks for that names nothing."""


def fixed_rule(manifest: Mapping[str, Any] | None) -> FixedRule | None:
    """Return the rule that a study fixed; None for a new study, and for one that fixed none."""
    entry = None if manifest is None else manifest.get("analysis_rule")
    return None if entry is None else FixedRule(**entry)


def _refuse(study: Path, named: Mapping[str, float], has: str, consequence: str) -> None:
    if named:
        them, they = ("it", "it was") if len(named) == 1 else ("them", "they were")
        options = {f"--{name}": str(value) for name, value in named.items()}
        report = commands.report_on(study, *chain(*options.items()))
        raise UsageError(
            f"{_in_words(options)}: {commands.shown_path(study)} {has}. Leave {them} out, or give {them} to the report"
            f" alone, which says that {they} {consequence}: {report}"
        )


def _in_words(values: Mapping[str, object]) -> str:
    return " and ".join(f"{name} {value}" for name, value in values.items())
