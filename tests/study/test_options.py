from pathlib import Path

import pytest

from study.errors import UsageError
from study.options import Options, parse


def test_the_defaults_are_the_default_study() -> None:
    design = parse([]).design("mnist")
    assert len(design.runs) == 180
    assert (design.epochs, design.hidden, design.seeds) == (10, (32, 32), tuple(range(10)))


def test_options_become_a_design() -> None:
    text = "--seeds 2 --first-seed 5 --arms no_bn --batch-sizes 16 --lrs 0.5 1e-3 --hidden 8"
    options = parse(text.split(" "))
    design = options.design("digits")
    assert (design.seeds, design.arms, design.batch_sizes) == ((5, 6), ("no_bn",), (16,))
    assert (design.lrs, design.hidden) == ((0.001, 0.5), (8,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--seeds 0", "--seeds 0: a study has 1 to 100000 seeds, such as --seeds 10"),
        ("--seeds 100000000", "--seeds 100000000: "),
        ("--study-id=", "--study-id '': "),
        ("--seeds -3", "--seeds -3: "),
        ("--first-seed -1", "--first-seed -1: a seed is 0 or above"),
        ("--dataset minst", r"--dataset 'minst' is unknown \(did you mean mnist\?\); choose from: auto, mnist"),
        ("--device gpu", "--device 'gpu': choose auto, cpu, cuda or cuda:0"),
        ("--device cuda:x", "--device 'cuda:x': "),
        ("--study-id ../up", "--study-id '../up': choose letters, digits"),
        ("--study-id .hidden", "--study-id '.hidden': "),
        ("--workers -1", "--workers -1: give 1 or more"),
        ("--shard 3/2", "--shard 3/2: give i/n with i from 1 to n, such as 2/8"),
        ("--shard 0/2", "--shard 0/2: "),
        ("--shard half", "--shard half: "),
        ("--max-time soon", "--max-time soon: give a time above 0 such as 90s, 50m or 2h"),
        ("--max-time 0m", "--max-time 0m: "),
    ],
)
def test_a_wrong_option_is_refused_with_the_rule(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(arguments.split())


@pytest.mark.parametrize(
    "arguments",
    ["--lrs fast", "--epochs 1.5", "--seeds", "--nonsense 1", "--on-error ignore", "--batch-sizes 32 x", "stray"],
)
def test_what_is_no_option_or_no_number_exits_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(arguments.split())
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_misspelt_option_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--batch-size", "32"])
    assert "--batch-sizes" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)])
def test_max_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert parse(["--max-time", text]).seconds == seconds


def test_a_toml_file_gives_options_and_the_command_line_wins(tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text('seeds = 4\nlrs = [0.1, 0.2]\nbatch_sizes = [64]\nquiet = true\ndataset = "digits"\n')
    options = parse(["--config", str(config), "--seeds", "7"])
    assert (options.seeds, options.lrs, options.batch_sizes) == (7, (0.1, 0.2), (64,))
    assert (options.quiet, options.dataset) == (True, "digits")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 4", r"'seed' is unknown \(did you mean seeds\?\)"),
        ("seeds = ", "is not TOML"),
    ],
)
def test_a_wrong_toml_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text(text)
    with pytest.raises(UsageError, match=message):
        parse(["--config", str(config)])
    with pytest.raises(UsageError, match=r"absent.toml: No such file"):
        parse(["--config", str(tmp_path / "absent.toml")])


def test_every_option_of_a_config_is_an_option(tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text('lrs = ["fast"]')
    with pytest.raises(SystemExit) as stop:
        parse(["--config", str(config)])
    assert stop.value.code == 2


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Options().seeds = 3  # type: ignore[misc]
