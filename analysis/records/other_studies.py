"""Which studies may stand beside this one, and how are they told apart?

A study beside itself says nothing: every difference is zero. It is known by its folder, however that is spelled, and by
its design and records, wherever a copy of them lies.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.errors import AnalysisError
from analysis.records.tables import StudyData, load


def load_others(paths: Sequence[Path]) -> list[StudyData]:
    """Return the studies in these folders; refuse one that holds none."""
    return [_load(path) for path in paths]


def _load(path: Path) -> StudyData:
    try:
        return load(path)
    except AnalysisError as error:
        raise AnalysisError(
            f"compare {_whole(path)}: {error}; to compare, name the folder of a finished study, such as"
            " results/reference-mnist"
        ) from None


def _whole(path: Path) -> str:
    """Return all of a path as a sentence quotes it: two long ones may differ at their ends."""
    return str(path) if str(path).isprintable() else repr(str(path))


def check_others(study: StudyData, others: Sequence[StudyData]) -> None:
    """Refuse ``study`` itself among the others, and one that is there twice."""
    for i, other in enumerate(others):
        for known in (study, *others[:i]):
            same = _sameness(other, known)
            if same:
                why = "a study is not compared with itself" if known is study else "each study is named once"
                raise AnalysisError(
                    f"compare {_whole(other.path)}: it {same} {_whole(known.path)}, and {why}; name the folder"
                    " of another study"
                )


def _sameness(study: StudyData, other: StudyData) -> str | None:
    """Return what makes both one study; None of two."""
    if study.path.resolve() == other.path.resolve():
        return "is the folder"
    same = study.design == other.design and _results(study).equals(_results(other))
    return "has the same design and records as" if same else None


def _results(study: StudyData) -> pd.DataFrame:
    """Return all records, in one order, less the name of the study."""
    tables = [study.records, *([study.tuned.records] if study.tuned else [])]
    table = pd.concat(tables).drop(columns="study_id")
    return table.sort_values(["run_id", "epoch", "split"], ignore_index=True)


def distinct_names(studies: Sequence[StudyData]) -> list[str]:
    """Return the studies' names; of those that have one name, the shortest ends of their paths that differ."""
    names = [study.name for study in studies]
    shared = [i for i, name in enumerate(names) if names.count(name) > 1]
    parts = {i: studies[i].path.resolve().parts for i in shared}
    for length in range(1, max(map(len, parts.values()), default=0) + 1):
        for i in shared:
            names[i] = "/".join(parts[i][-length:]).replace("//", "/")
        if len({*names}) == len(names):
            break
    return names
