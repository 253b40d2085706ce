"""Every command that the terminal prints can be pasted: it is run here, a training one with --dry-run."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study import ablate, run, tune
from study.errors import UsageError
from study.runner import jobs
from study.spec.analysis_rule import AskedRule
from study.store.inference_tables import read_table
from study.store.study_folder import JOURNAL
from tests.conftest import SMALL
from tests.study.cli.test_help import main_of
from tests.study.studies import TINY_TUNED

TRAINING = ("study.run", "study.tune", "study.ablate")
TINY = (*SMALL, "--seeds", "1", "--epochs", "1", "--hidden", "4", "--batch-sizes", "256", "--no-quiet")
TUNING = (*TINY_TUNED, "--trials", "2", "--no-quiet")
ODD = "my results"

Say = Callable[..., str]


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one, with no data set but the digits at hand."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    """What a command prints on both streams."""

    def call(main: Callable[[list[str]], int], *words: str, code: int = 0) -> str:
        assert main([*words]) == code
        return "".join(capsys.readouterr())

    return call


def commands_in(text: str) -> Iterator[tuple[str, list[str]]]:
    """Module and words of every command in a text, in which one ends its line."""
    for command in re.findall(r"python -m .*$", text, re.MULTILINE):
        _, _, module, *words = shlex.split(command)
        yield module, words


def check(text: str, n: int = 1) -> None:
    """Run the ``n`` commands of a text from the working folder."""
    found = [*commands_in(text)]
    assert len(found) == n, text
    for module, words in found:
        try:
            code = main_of(module)([*words, "--dry-run"] if module in TRAINING else words)
        except SystemExit as stop:  # --help
            code = stop.code  # type: ignore[assignment]
        assert code == 0, (module, words)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four runs with its inference modes; copy it."""
    out = tmp_path_factory.mktemp("trained")
    assert run.main([*TINY, "--quiet", "--out", str(out)]) == 0
    return out / "digits"


@pytest.fixture
def study(trained: Path) -> Path:
    """The study in an odd folder below the working folder."""
    return shutil.copytree(trained, Path(ODD, "digits"))


@pytest.mark.parametrize(
    ("options", "study"), [((), "results/digits"), (("--out", ODD, "--study-id", "a.b"), f"'{ODD}/a.b'")]
)
def test_after_a_study(options: tuple[str, ...], study: str, said: Say) -> None:
    told = said(run.main, *TINY, "--no-ablation", *options)
    check(told)
    assert told.endswith(f"Make the report: python -m analysis.report {study}\n")


def test_after_a_tuning_in_an_odd_folder(said: Say) -> None:
    check(said(tune.main, *TUNING, "--out", ODD))


def test_after_an_evaluation(study: Path, said: Say) -> None:
    check(said(ablate.main, "--clean", "--workers", "1", "--out", ODD))


def test_after_an_interruption_there_is_nothing_to_paste_but_the_same_command(
    said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "train_here", interrupt)
    told = said(run.main, *TINY, "--out", ODD, code=130)
    assert told.endswith(f"interrupted: finished runs are saved; repeat the command to continue ('{ODD}/digits')\n")
    assert [*commands_in(told)] == []


@pytest.mark.parametrize("out", [(), ("--out", ODD), ("--out", "deep/er"), ("--out=-x",)])
def test_where_there_is_no_study_to_evaluate(out: tuple[str, ...], said: Say) -> None:
    check(said(ablate.main, *out, code=2))


@pytest.mark.parametrize("study", ["results/nowhere", f"{ODD}/digits", "results/not a name", "./-x/s"])
def test_where_the_study_to_evaluate_is_not_there(study: str, said: Say) -> None:
    check(said(ablate.main, study, code=2))


@pytest.mark.parametrize("name", ["s", "digits-tuned"])
def test_where_a_tuning_has_not_ended(name: str, said: Say) -> None:
    folder = Path(ODD, name)
    folder.mkdir(parents=True)
    (folder / JOURNAL).touch()
    check(said(run.main, *TINY, "--out", ODD, "--study-id", name, code=2))


def test_where_the_rule_is_another(study: Path, said: Say) -> None:
    told = said(run.main, *TINY, "--out", ODD, "--alpha", "0.1", "--margin", "1pt", code=2)
    check(told)
    assert told.endswith(f"python -m analysis.report '{ODD}/digits' --alpha 0.1 --margin 0.01\n")


def test_where_the_inference_modes_are_damaged(study: Path) -> None:
    path = study / "ablation.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError) as error:
        read_table(study, "ablation")
    check(str(error.value))


@pytest.mark.parametrize("words", [("--nonsense",), ("stray",), ("--seeds",)])
@pytest.mark.parametrize("main", [run.main, tune.main])
def test_where_an_option_is_wrong(main: Callable[[list[str]], int], words: tuple[str, ...], said: Say) -> None:
    check(said(main, *words, code=2))


def test_a_command_that_does_not_run_is_found(study: Path) -> None:
    """The plants: a path without quotation marks, and one that is valid from elsewhere alone."""
    for wrong in (f"python -m analysis.report {ODD}/digits", "python -m analysis.report digits"):
        with pytest.raises(AssertionError):
            check(wrong)


def test_the_rule_names_the_study_as_it_was_given() -> None:
    with pytest.raises(UsageError) as error:
        AskedRule(alpha=0.1).check(Path("a b/s"), None, has_runs=True)
    assert str(error.value).endswith("python -m analysis.report 'a b/s' --alpha 0.1")


def test_a_config_gives_study_tune_its_options_too(said: Say) -> None:
    words = [*TUNING, "--study-id", "c"]
    Path("tune.toml").write_text(
        'dataset = "digits"\nepochs = 1\nworkers = 1\nhidden = [12, 9]\nseeds = 3\ntrials = 2\ntune-seeds = 2\n'
        'space = "lr=1e-3:1,batch_size=64:256"\nstudy_id = "c"\n'
    )
    assert said(tune.main, "--config", "tune.toml", "--dry-run") == said(tune.main, *words, "--dry-run")
    Path("tune.toml").write_text("trial = 2\n")
    assert "'trial' is unknown (did you mean trials?)" in said(tune.main, "--config", "tune.toml", code=2)


def test_a_study_of_another_device_is_refused_by_a_dry_run_as_by_the_command(study: Path, said: Say) -> None:
    manifest = study / "manifest.json"
    content = json.loads(manifest.read_text())
    content["device"]["kind"] = "cuda"
    manifest.write_text(json.dumps(content))
    for dry in ((), ("--dry-run",)):
        told = said(run.main, *TINY, "--out", ODD, "--seeds", "2", "--device", "cpu", *dry, code=2)
        assert told.endswith("--device cpu: the study was trained on cuda; choose that, or another --study-id.\n")


def test_an_absent_gpu_is_said_by_every_dry_run_as_by_the_command(study: Path, said: Say) -> None:
    absent = ("--device", "cuda:99")
    for main, words in ((run.main, TINY), (tune.main, TUNING), (ablate.main, (str(study),))):
        dry, wet = (said(main, *words, *absent, *more, code=3) for more in (("--dry-run",), ()))
        assert dry == wet
        assert re.search(r"--device cuda:99: torch sees \d+ CUDA devices? here; use --device cpu", dry)
        assert dry.startswith("data     scikit-learn's digits")
