"""python -m analysis.report: records -> report.html, report.json, tables/contrasts.csv."""

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from analysis import AnalysisError


@dataclass(frozen=True)
class Options:
    """Turn the records of a study into a page: report.html, with report.json and tables/ beside it."""

    study_dir: Annotated[Path | None, tyro.conf.Positional] = None
    """The folder of the study; the one under --out that was trained last, unless given."""
    margin: float = 0.002
    """A difference of accuracy (a fraction) that would not matter: 0.002 is 0.2 points."""
    alpha: float = 0.05
    """Of the intervals (1 - alpha) and of every test."""
    out: Path = Path("results")
    """The folder of studies."""

    def check(self) -> "Options":
        if not 0 < self.alpha < 0.5:
            raise AnalysisError(f"--alpha {self.alpha}: give a number between 0 and 0.5, such as 0.05")
        if not 0 <= self.margin < 1:
            raise AnalysisError(f"--margin {self.margin}: give a fraction from 0 to below 1, such as 0.002")
        return self


def report(options: Options) -> Path:
    """Write the report of a study and print what it says; returns the page's path."""
    from analysis import contrasts, pairs

    study = pairs.load(options.study_dir or newest(options.out))
    found = contrasts.contrasts(study, options.alpha, options.margin)
    curves = contrasts.curves(study)
    content = summary(study, found, curves, options)
    page = _write(study, content, found, curves)
    _print(content, page)
    return page


def newest(out: Path) -> Path:
    """The study under ``out`` that was trained last; shipped ones, which have no parts, do not count."""
    made_here = [path.parent for path in out.glob("*/manifest.json") if (path.parent / "parts").is_dir()]
    if not made_here:
        raise AnalysisError(
            f"there is no study under {out}; run python -m study.run --seeds 10 first, or name a study's folder"
        )
    return max(made_here, key=lambda path: (path / "manifest.json").stat().st_mtime)


def summary(study: Any, found: Sequence[Any], curves: Sequence[Any], options: Options) -> dict[str, Any]:
    """What ``report.json`` holds: every number and sentence of the page."""
    from analysis import contrasts, pairs

    return {
        "schema_version": 1,
        "study_id": study.name,
        "dataset": study.design.dataset,
        "alpha": options.alpha,
        "margin": options.margin,
        "primary_endpoint": pairs.PRIMARY,
        "notices": _notices(study),
        "verdicts": [_verdict(study, contrasts.select(found, pairs.PRIMARY, arm)) for arm in study.contenders],
        "scope": _scope(study),
        "sections": _sections(study),
        "contrasts": [asdict(contrast) for contrast in found],
        "completeness": contrasts.completeness(study),
        "unpaired": [line for arm in study.contenders for line in pairs.pair(study, arm, pairs.PRIMARY).unpaired],
        "curves": [asdict(curve) for curve in curves],
    }


def _verdict(study: Any, found: Sequence[Any]) -> dict[str, Any]:
    from analysis import words

    whole, cells = found[0], found[1:]
    tests = (
        f"Paired t test p {_equals(words.p_value(whole.p_t))}, exact sign-flip test p = {words.p_fraction(whole)};"
        f" endpoint: {words.endpoint(whole.endpoint)}."
    )
    return {
        "arm": whole.arm,
        "verdict": whole.verdict,
        "headline": words.headline(whole, cells, study.design.dataset),
        "tests": tests,
        "by_cell": words.by_cell(cells),
        "failures": words.failures(whole),
    }


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _notices(study: Any) -> list[str]:
    """What a reader must know first."""
    notices = [study.manifest["data"]["notice"]] if study.manifest["data"]["notice"] else []
    n_seeds = len(study.design.seeds)
    if not study.contenders:
        notices.append(f"Only {', '.join(study.design.arms)} was trained: there is nothing to compare.")
    elif n_seeds < 6:
        floor = 2 / 2**n_seeds
        notices.append(f"{n_seeds} seeds: the exact test cannot fall below p = {floor:g}. Use 6 or more.")
    missing = len(study.design.runs) - len(study.runs)
    if missing:
        notices.append(f"INCOMPLETE: {missing} of {len(study.design.runs)} planned runs have no records yet.")
    return notices


def _scope(study: Any) -> str:
    from analysis import words

    design = study.design
    sizes = ", ".join(map(str, design.batch_sizes))
    lrs = ", ".join(map(words.rate, design.lrs))
    widths = "-".join(map(str, design.widths))
    return (
        f"Scope: a {widths} network with ReLU, Adam, cross-entropy, {design.epochs} epochs on {design.dataset};"
        f" batch sizes {sizes}; learning rates {lrs}; {len(design.seeds)} seeds, equal over arms. Nothing beyond is claimed."
    )


def _sections(study: Any) -> list[dict[str, Any]]:
    effects = [f"effect-{arm}" for arm in study.contenders]
    return [
        {"id": "effect", "title": "Where it helps: the effect over batch size and learning rate", "pictures": effects},
        {"id": "curves", "title": "How they learn: loss and accuracy over epochs", "pictures": ["curves"]},
        {"id": "by-cell", "title": "Test accuracy in every cell", "pictures": ["by-cell"]},
    ]


# --- files


def _write(study: Any, content: dict[str, Any], found: Sequence[Any], curves: Sequence[Any]) -> Path:
    import pandas as pd

    from analysis import contrasts, page

    tables, figures = study.path / "tables", study.path / "figures"
    try:
        tables.mkdir(exist_ok=True)
        figures.mkdir(exist_ok=True)
        rows = pd.DataFrame([asdict(contrast) for contrast in found], columns=contrasts.COLUMNS)
        rows.astype({"batch_size": "Int64"}).to_csv(tables / "contrasts.csv", index=False, lineterminator="\n")
        _replace(study.path / "report.json", json.dumps(_plain(content), indent=1, ensure_ascii=False) + "\n")
        pictures = _pictures(study, found, curves)
        for name, picture in pictures.items():
            (figures / f"{name}.svg").write_bytes(picture.svg)
        _replace(study.path / "report.html", page.render(study, content, list(found), pictures))
    except OSError as error:
        raise AnalysisError(f"{error.filename} cannot be written: {error.strerror}") from None
    return study.path / "report.html"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def _pictures(study: Any, found: Sequence[Any], curves: Sequence[Any]) -> dict[str, Any]:
    from analysis import contrasts, figures, pairs, words
    from analysis.page import Picture

    pictures = {}
    for arm in study.contenders:
        whole, *cells = contrasts.select(found, pairs.PRIMARY, arm)
        listed = "; ".join(
            f"batch size {c.batch_size}, rate {words.rate(c.lr)}: {words.points(c.mean_diff)}"
            f" {words.interval(c.ci_low, c.ci_high)}"
            for c in cells
        )
        pictures[f"effect-{arm}"] = Picture(
            figures.svg(figures.effect_map(cells)),
            f"Difference of test accuracy in points by batch size and learning rate. {listed}.",
            f"Test accuracy with minus without batch normalisation, points ({words.endpoint(whole.endpoint)}), with"
            f" {whole.level:.0%} t intervals, each cell on its own. Failed: runs without | with, that diverged or"
            " answered below twice chance.",
        )
    size, lr = shown_cell(study)
    four = [curve for curve in curves if (curve.batch_size, curve.lr) == (size, lr)]
    where = f"batch size {size}, learning rate {words.rate(lr)}"
    pictures["curves"] = Picture(
        figures.svg(figures.learning_curves(four)),
        f"Training and test loss and accuracy over epochs, with and without batch normalisation, at {where}.",
        f"The four plots of the tutorial that asked the question, at {where}. Thin lines: single seeds; thick: their"
        " mean; band: pointwise 95 % t interval of the mean. Epoch 0 is the untrained network.",
    )
    pictures["by-cell"] = Picture(
        figures.svg(figures.accuracy_by_cell(curves)),
        "Test accuracy over epochs in every cell of batch size and learning rate, with and without batch normalisation.",
        "Every cell on one scale; lines and bands as above. Seeds end where they diverge.",
    )
    return pictures


def shown_cell(study: Any) -> tuple[int, float]:
    """The cell whose curves are shown large: the post's (batch 32, rate 0.01), else the middle of the grid."""
    sizes, lrs = study.design.batch_sizes, study.design.lrs
    size = 32 if 32 in sizes else sizes[len(sizes) // 2]
    lr = 0.01 if 0.01 in lrs else lrs[len(lrs) // 2]
    return size, lr


def _plain(value: Any) -> Any:
    """JSON has no NaN: null instead, everywhere."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _print(content: dict[str, Any], page: Path) -> None:
    for notice in content["notices"]:
        print(f"! {notice}")
    for verdict in content["verdicts"]:
        for key in ("headline", "tests", "by_cell", "failures"):
            print(verdict[key])
    print(f"{page} ({page.stat().st_size / 1e6:.2f} MB)")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; every error is one sentence on stderr."""
    try:
        options = tyro.cli(Options, args=argv, prog="python -m analysis.report").check()
        report(options)
    except AnalysisError as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
