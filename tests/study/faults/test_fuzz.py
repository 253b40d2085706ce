"""Whatever is typed ends with a known exit code and no traceback, and leaves no study half made."""

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analysis.report import __main__ as report
from study import ablate, run
from study.bench import __main__ as bench
from study.claims import __main__ as claims
from study.cli import arguments, run_options
from study.data import download
from study.errors import EnvironmentFault, StudyError
from study.runner import forecast
from study.spec import design
from study.store.study_folder import Folder

CODES = {0, 1, 2, 3, 75}
SMALL = ("--dataset", "digits", "--workers", "1", "--seeds", "1", "--epochs", "1", "--batch-sizes", "512")
TINY = (*SMALL, "--lrs", "0.01", "--hidden", "4", "--arms", "no_bn", "--no-ablation")
"""One run of a few milliseconds."""

Command = Callable[[list[str]], int]

# --- what is typed

NUMERALS = (
    "0", "-0", "1", "+2", "003", "0.1", "0.10", ".5", "2.", "1e-3", "1E5", "1e400", "-1e400", "1e-400", "nan",
    "NaN", "inf", "-inf", "Infinity", "1_000", "1__0", "１０", "٣", "²", "½", "0x10", "1,5", "1 000", " 1",
    "1\n", "9" * 30, "9" * 5000, "-" + "9" * 400, "2147483647", "2147483648", "32767", "32768", "1e30", "1e31",
    "1437", "1438", "True", "None",
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "a\0b", "\n", "a\nb", "\t", "\x1b[2J", "\x7f", "\u202e", "\udcff", "a\ud800", "한국어", "é",
    "🙂", "x" * 10_000, "한" * 4000, "..", ".", "../up", "../../up", "a/../../b", "-", "--", "---", "=",
    "=cmd|' /C calc'!A0", "@x", "%s%n", "{0}", "{{7*7}}", "<b>", "$(id)", "`id`", "*", "~", "'", '"', "\\",
    "file", "file/below", "bn", "no_bn", "digits", "nmist", "cpu", "cuda", "cuda:1", "cuda:99", "cuda:１",
    "auto", "1/1", "1/2", "2/1", "0/0", "１/１", "1/" + "9" * 5000, "1h", "90", "0.0001s", "1.5m",
    "9" * 400 + "h", "١h", "continue", "stop", "json", "text", "CON", "a.b", "-x", "-h",
)  # fmt: skip
PATHS = (
    "", " ", "\0", "a\0b", "a\nb", "\x1b[2J", "\u202e", "\udcff", "a\ud800", "한국어", "x" * 300, "x" * 10_000,
    "x/" * 3000, "..", ".", "a/../../b", "=", "=cmd|' /C calc'!A0", "%s%n", "$(id)", "~", "file", "file/below",
    "nowhere", "/dev/null/x",
)  # fmt: skip
TOML = (
    "", "seeds = 1", "seeds = 1_0", 'seeds = "1_0"', "seeds = [1]", "seeds = true", "seeds = 1.0",
    "lrs = [0.1, 0.10]", "lrs = [1e400]", "lrs = [nan]", 'lrs = ["0.1", 0.2]', "lrs = [[0.1]]", "lrs = []",
    "epochs = 1979-05-27", "[seeds]\na = 1", "a.b.c = 1", "quiet = true", "quiet = 1", 'out = "../up"',
    'out = "a\\u0000b"', 'study_id = "--quiet"', 'dataset = "digits"', 'study_id = "\\u202e"',
    "seeds = 1\nseeds = 2", "[" * 3000, "lrs = " + "[" * 3000, "\ufeffseeds = 1", "seeds = 0x" + "f" * 5000,
    "seeds = " + "9" * 5000, "\0", "seeds", 'arms = ["bn", "--dry-run"]', 'config = "x"', 'max_time = "1h"',
    "dry_run = false", 'hidden = [4]\ndevice = "cpu"', "batch-sizes = [512]\nno-ablation = true",
)  # fmt: skip

SOUND = {
    "--seeds": ("1", "2", "+1"), "--first-seed": ("0", "7", "2147483640"), "--arms": ("bn", "no_bn"),
    "--batch-sizes": ("1", "64", "512", "1437"), "--lrs": ("0.1", "0.10", "1e-30", "1e30", ".5"),
    "--epochs": ("1", "2", "32767"), "--hidden": ("1", "4", "32768"),
    "--dataset": ("digits", "mnist", "kmnist", "auto"), "--data-dir": PATHS, "--out": PATHS,
    "--device": ("auto", "cpu", "cuda:99"), "--study-id": ("s", "a.b", "CON", "x" * 100),
    "--config": ("config.toml", *PATHS), "--workers": ("0", "1", "99999999999"),
    "--shard": ("1/1", "2/2", "999999999/999999999"), "--max-time": ("1h", "0.000001s"),
    "--on-error": ("continue", "stop"), "--log-format": ("json", "text"), "--margin": ("0", "0.2pt"),
    "--alpha": ("0.01", "0.4"), "--compare": PATHS, "--rounds": ("1", "3"), "--study-dir": PATHS,
}  # fmt: skip
"""Values that are one of the option's kind; --tf32 and the like have none."""
UNKNOWN = ("--nonsense", "--seed", "--", "-q", "--help-me", "--=1", "--ｓeeds", "--seeds\0", "--" + "x" * 5000)


EVERYWHERE = ("-h", "--help")
"""Options of every command, by which a line ends well whatever the folder holds."""


def options_of(command: type) -> list[str]:
    """Every option of a command, and some of no command."""
    return ["--" + field.name.replace("_", "-") for field in fields(command)]


any_text = st.text(st.characters(), max_size=12)
any_word = st.one_of(
    st.sampled_from(NUMERALS),
    st.sampled_from(TEXTS),
    st.integers().map(str),
    st.floats(allow_subnormal=False).map(str),  # torch flushes these in a process that has trained
    st.integers(0, 40).map(str),
    any_text,
)
any_toml = st.one_of(st.sampled_from(TOML), st.lists(st.sampled_from(TOML), max_size=3).map("\n".join), any_text)


@st.composite
def lines(draw: st.DrawFn, command: type) -> list[str]:
    """Sound options, and in two of three lines something odd: any value, any option, in any way of writing it."""
    known = st.sampled_from(options_of(command))
    words: list[str] = []
    for option in draw(st.lists(known, max_size=4)):
        sound = SOUND.get(option)
        words += [option, draw(st.sampled_from(sound))] if sound else [option]
    for _ in range(draw(st.integers(0, 2))):
        option = draw(st.one_of(*[known] * 8, st.sampled_from((*UNKNOWN, *EVERYWHERE)), any_text.map("--".__add__)))
        sound = st.sampled_from(SOUND.get(option, ("",)))
        values = draw(st.lists(sound | any_word, max_size=3))
        ways = ([option, *values[:1]], [option, *values], [f"{option}={values[0]}" if values else option], values)
        odd = draw(st.sampled_from((*ways, [option.replace("-", "_").replace("__", "--", 1), *values[:1]])))
        place = draw(st.sampled_from((0, len(words))))
        words[place:place] = odd
    return words


# --- what must hold


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to stand in, deep enough that no ``..`` of the words leads out of the test's own."""
    top = tmp_path_factory.mktemp("fuzz")
    deep = top / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(deep)
        patch.setattr(download, "obtain", no_network)
        patch.setattr(forecast, "_flop_per_second", lambda: 1e10)
        yield top


def no_network(name: str, data_dir: Path) -> None:
    raise EnvironmentFault(f"{name} was asked for")


def studies(top: Path) -> list[Path]:
    """What looks like a study's folder, complete or not, wherever it was made."""
    return [path.parent for pattern in ("parts", "manifest.json", ".writing") for path in top.rglob(pattern)]


def ended(main: Command, line: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command and its stderr; an exception is a failure with the line that led to it."""
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = main(list(line))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException as crash:
            raise AssertionError(f"{type(crash).__name__}: {crash!r:.200} of {line!r:.1000}") from crash
        error.flush()
    return code, error.buffer.getvalue().decode()


def check_line(top: Path, main: Command, line: Sequence[str], codes: set[int] = CODES) -> int:
    """The promises about any command line; the exit code."""
    code, error = ended(main, line)
    assert code in codes, (line, code)
    assert "Traceback" not in error, line
    assert error.strip() or code in (0, 1, 75, 4), f"no word about {line}"
    made = studies(top)
    for study in made:
        assert code in (0, 1, 75), f"{line} left {study} behind"
        assert Folder(study).read_manifest() is not None, line
    for path in set(made):
        shutil.rmtree(path, ignore_errors=True)
    return code


def with_config(line: list[str], toml: str | None) -> list[str]:
    if toml is None:
        return line
    Path("config.toml").write_text(toml, "utf-8", errors="surrogatepass")
    return ["--config", "config.toml", *line]


def check_dry(top: Path, line: list[str], toml: str | None) -> int:
    """With nothing to train: the last word is --dry-run, and a data set that needs no network stands first."""
    return check_line(top, run.main, [*SMALL, *with_config(line, toml), "--dry-run"])


def check_trained(top: Path, line: list[str]) -> int:
    """A study of one run of four units, but for what the line says: too much to do is only planned."""
    full = [*TINY, *line]
    with contextlib.suppress(StudyError, SystemExit), contextlib.redirect_stderr(io.StringIO()):
        asked = run_options.parse(full)
        made = asked.design("digits")
        steps = len(made.runs) * made.epochs * sum(map(made.steps_per_epoch, made.shapes))
        if steps * made.n_parameters("bn") > 2e7 or asked.workers > 1:
            full.append("--dry-run")
    return check_line(top, run.main, full)


def check_ablate(top: Path, line: list[str]) -> int:
    return check_line(top, ablate.main, line)


def check_claims(top: Path, line: list[str]) -> int:
    """With nothing to make: as ``check_dry``."""
    return check_line(top, claims.main, ["--dataset", "digits", *line, "--dry-run"])


def check_report(top: Path, line: list[str]) -> int:
    return check_line(top, report.main, line, CODES | {report.INCOMPLETE})


def check_bench(top: Path, line: list[str]) -> int:
    """The command line alone: what it asks for takes minutes."""

    def parse(words: list[str]) -> int:
        arguments.read(bench.Options, words, "python -m study.bench")
        return 0

    def main(words: list[str]) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench, "run", lambda options: None)
            return bench.main(words)

    return check_line(top, main, line)


def fuzzer(n: int) -> settings:
    return settings(
        max_examples=n, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


CHECKS = {
    "run": (run_options.Options, check_dry),
    "train": (run_options.Options, check_trained),
    "ablate": (ablate.Options, check_ablate),
    "claims": (claims.Options, check_claims),
    "report": (report.Options, check_report),
    "bench": (bench.Options, check_bench),
}
SHARE = {"run": 0.5, "train": 0.1, "ablate": 0.15, "claims": 0.1, "report": 0.15, "bench": 0.1}


def fuzz(name: str, top: Path, n: int) -> dict[int, int]:
    """How often each exit code came of ``n`` random lines."""
    command, check = CHECKS[name]
    codes: dict[int, int] = {}

    @fuzzer(round(n * SHARE[name]))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        line = data.draw(lines(command))
        rest = (data.draw(st.none() | any_toml),) if name == "run" else ()
        code = check(top, line, *rest)
        codes[code] = codes.get(code, 0) + 1

    one()
    return codes


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_any_command_line_ends_with_a_known_code_and_no_study_half_made(name: str, ground: Path) -> None:
    assert 2 in fuzz(name, ground, 400)


def test_a_command_that_trusts_is_found(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a data set of any name is let in, the line ends in a KeyError."""
    for module in (design, run_options):
        monkeypatch.setattr(module, "check_dataset", lambda *names: None)
    with pytest.raises(AssertionError, match="KeyError: "):
        check_dry(ground, ["--dataset", "nmist"], None)


def test_a_study_half_made_is_found(ground: Path) -> None:
    def careless(words: list[str]) -> int:
        Folder(Path("half")).prepare()
        sys.stderr.write("refused")
        return 2

    with pytest.raises(AssertionError, match="half behind"):
        check_line(ground, careless, [])
    shutil.rmtree(Path("half"))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CHECKS))
def test_5_000_command_lines_end_with_a_known_code_and_no_study_half_made(name: str, ground: Path) -> None:
    codes = fuzz(name, ground, 5_000)
    assert sum(codes.values()) >= 5_000 * SHARE[name]
    assert codes[2] < sum(codes.values())
