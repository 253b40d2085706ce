"""Were alpha and margin fixed before the first run? In words."""

from collections.abc import Iterator, Mapping

from analysis.findings.results import Results
from analysis.records.rule import Rule, rule_of
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt


def notices(study: StudyData, results: Results) -> Iterator[str]:
    """Yield that alpha, margin and baseline were chosen or changed after the runs, which a reader must know before the
    answer."""
    if study.changed_baseline is not None:
        now, then = map(fmt.arm_name, (study.baseline, study.own_baseline))
        yield f"Baseline: {now} instead of {then}, the study's own, chosen after looking."
    rule = rule_of(study, results.alpha, results.margin)
    if rule.fixed is None:
        both = _in_words({"alpha": rule.alpha, "margin": rule.margin})
        yield f"{_begun(both)} were chosen after looking: this study fixed neither before its first run."
    elif rule.changed:
        others = [
            f"{_in_words({name: now})} instead of {_value(name, then)}" for name, (now, then) in rule.changed.items()
        ]
        was = "was" if len(others) == 1 else "were"
        yield _begun(f"{' and '.join(others)}, which {was} fixed on {rule.fixed.date} before the first run.")


def scope(study: StudyData) -> Iterator[str]:
    """Yield what was fixed, and when."""
    fixed = rule_of(study).fixed
    if fixed is not None:
        values = _in_words({"alpha": fixed.alpha, "margin": fixed.margin})
        yield f"{_begun(values)} were fixed on {fixed.date}, before the first run."


def provenance(rule: Rule) -> str:
    """Return the rule that was fixed, with its date."""
    fixed = rule.fixed
    if fixed is None:
        return "none fixed before the first run: alpha and margin were chosen after looking"
    return f"{fixed.rule}, {_in_words({'alpha': fixed.alpha, 'margin': fixed.margin})}, fixed on {fixed.date}"


def _in_words(values: Mapping[str, float]) -> str:
    articles = {"alpha": "alpha", "margin": "a margin of"}
    return " and ".join(f"{articles[name]} {_value(name, value)}" for name, value in values.items())


def _value(name: str, value: float) -> str:
    """Return a level as it is, a margin in points."""
    return f"{value:g}" if name == "alpha" else fmt.margin(value)


def _begun(text: str) -> str:
    return text[0].upper() + text[1:]
