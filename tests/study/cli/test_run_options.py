import os
from dataclasses import replace
from pathlib import Path

import pytest

from study.cli.run_options import Options, parse
from study.errors import UsageError


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
        ("--max-time ١h", "--max-time ١h: "),
        (f"--max-time {'9' * 400}h", "--max-time 9{80}...: "),
        (f"--shard {'1' * 5000}/2", "1{80}...: this argument has 5002 characters"),
        ("--device cuda:１", "--device 'cuda:１': "),
        ("--lrs fast", r"--lrs fast: give a number in the digits 0 to 9, such as 0\.01"),
        ("--lrs 0.1 １.5", "--lrs １.5: "),
        ("--lrs 1_0", "--lrs 1_0: "),
        ("--lrs= --seeds 2", "--lrs '': "),
        ("--lrs nan", "--lrs nan: give a number"),
        ("--lrs 1e400", "--lrs 1e400 would be read as inf: give a number such as 0.01"),
        ("--lrs -1e400", "--lrs -1e400 would be read as -inf"),
        ("--lrs 1e-400", "--lrs 1e-400 would be read as 0.0"),
        ("--lrs 0e5", "--lrs 0e5 would be read as 0.0|--lrs 0.0: a learning rate is a finite number above 0"),
        ("--seeds 1_000", "--seeds 1_000: give a whole number in the digits 0 to 9, such as 10"),
        ("--seeds=1_000", "--seeds 1_000: "),
        ("--first_seed 1_0", "--first_seed 1_0: "),
        ("--epochs 1.5", "--epochs 1.5: "),
        ("--epochs １０", "--epochs １０: "),
        ("--batch-sizes 32 x", "--batch-sizes x: "),
        ("--hidden 32 ٣", "--hidden ٣: "),
        ("--workers 0x10", "--workers 0x10: "),
        ("--alpha 0.5", "--alpha 0.5: give a number between 0 and 0.5, such as 0.05"),
        ("--alpha None", "--alpha None: give a number in the digits 0 to 9"),
        ("--alpha 5e-1_0", "--alpha 5e-1_0: "),
        ("--margin 20%", "--margin 20%: give a fraction such as 0.002, or points such as 0.2pt"),
        ("--first-seed 2147483648", "--first-seed 2147483648: a seed is 0 or above, up to 2147483647"),
    ],
)
def test_a_wrong_option_is_refused_with_the_rule(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(arguments.split()).design("digits")


SEE = "see python -m study.run --help"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--seeds", f"--seeds: the value is missing; {SEE}"),
        ("--seeds --quiet", f"--seeds: the value is missing; {SEE}"),
        ("--nonsense 1", f"--nonsense is not an option; {SEE}"),
        (
            "--optimiser sgd",
            f"--optimiser is not an option: a factor is varied, or set, by --vary optimizer=LEVEL,LEVEL; {SEE}",
        ),
        ("--depth 5", f"--depth is not an option: a factor is varied, or set, by --vary depth=LEVEL,LEVEL; {SEE}"),
        ("--batch-size 32", f"--batch-size is not an option (did you mean --batch-sizes?); {SEE}"),
        ("--no-no-ablation", f"--no-no-ablation is not an option (did you mean --no-ablation?); {SEE}"),
        ("--on-error ignore", "--on-error 'ignore' is unknown; choose from: continue, stop"),
        ("stray", f"stray belongs to no option; {SEE}"),
        ("--quiet yes", f"yes belongs to no option; {SEE}"),
        ("--quiet=yes", "--quiet takes no value; write --quiet alone"),
        ("--lrs 1e-2,1e-3", "--lrs: '1e-2,1e-3' is not a number. Separate values by spaces: --lrs 1e-2 1e-3"),
        ("--hidden 16,64", "--hidden: '16,64' is not a whole number. Separate values by spaces: --hidden 16 64"),
    ],
)
def test_what_is_no_option_or_value_is_one_sentence_with_a_valid_choice(arguments: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(arguments.split())
    assert str(error.value) == message


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)])
def test_max_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert parse(["--max-time", text]).execution().max_seconds == seconds


def test_a_toml_file_gives_options_and_the_command_line_wins(tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text('seeds = 4\nlrs = [0.1, 0.2]\nbatch_sizes = [64]\nquiet = true\ndataset = "digits"\n')
    options = parse(["--config", str(config), "--seeds", "7"])
    assert (options.seeds, options.lrs, options.batch_sizes) == (7, (0.1, 0.2), (64,))
    assert (options.quiet, options.dataset) == (True, "digits")
    assert not parse(["--no-quiet", "--config", str(config)]).quiet


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('vary = ["a=1,2", "b=x"]', "--vary a=1,2 b=x"),
        ('vary = "a=1,2"', "--vary a=1,2"),
        ("lrs = 1\nhidden = []", "--lrs 1 --hidden"),
        ('alpha = 0.01\nmargin = "0.5pt"', "--alpha 0.01 --margin 0.5pt"),
        ("margin = 0.005", "--margin 0.005"),
        ('epochs = "3"\nlrs = ["1e-3", ".5"]', "--epochs 3 --lrs 1e-3 .5"),
        ("no-ablation = true\nno_tf32 = true", "--no-ablation"),
        ("ablation = false", "--no-ablation"),
        (
            'max_time = 90\nstudy_id = 2024\nout = "a"\ndata-dir = "b"',
            "--max-time 90 --study-id 2024 --out a --data-dir b",
        ),
        ('on-error = "stop"\nengine = "torch"\nquiet = false', "--on-error stop --engine torch"),
    ],
)
def test_a_toml_file_says_what_the_command_line_would(text: str, arguments: str, tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text(text)
    assert replace(parse(["--config", str(config)]), config=None) == parse(arguments.split())


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lrs = ["fast"]', "--lrs fast: give a number"),
        ("lrs = [inf]", "--lrs inf: give a number"),
        ('lrs = ["1_0"]', "--lrs 1_0: "),
        ('lrs = [0.1, "0.2"]', "study.toml: lrs = 0.1, '0.2': give a list of numbers or a list of texts"),
        ("lrs = [[0.1]]", "study.toml: lrs = a list: give a number or a text, or a list of these"),
        ("lrs = [true]", "study.toml: lrs = true: "),
        ("seeds = 4.0", "--seeds 4.0: give a whole number"),
        ("seeds = [1, 2]", "study.toml: seeds is a list: give one value, without brackets"),
        ("seeds = true", "study.toml: seeds = true: "),
        ("seeds = 1979-05-27", "study.toml: seeds = a date: "),
        ("[seeds]\nof = 3", "study.toml: seeds = an object: "),
        ("seeds.of.all = 3", "study.toml: seeds = an object: "),
        ("quiet = 1", "study.toml: quiet = 1: give true or false"),
        ("quiet = []", "study.toml: quiet = a list: give true or false"),
        ('study_id = "--dry-run"', "study.toml: study-id = '--dry-run': "),
        ('arms = ["bn", "--quiet"]', "study.toml: arms = '--quiet': "),
        ('on_error = "ignore"', "study.toml: --on-error 'ignore' is unknown; choose from: continue, stop"),
        ('out = "a\\u0000b"', r"'a\\x00b': this argument holds a NUL"),
        ('config = "other.toml"', "'config' is unknown"),
        ("seeds = 4\nseeds = 5", "is not TOML: Cannot overwrite a value"),
        (f"seeds = {'9' * 5000}", "is not TOML: Exceeds the limit"),
        (f"seeds = 0x{'f' * 5000}", "seeds = a number of 20000 bits"),
        (f"lrs = {'[' * 5000}", "study.toml is nested too deeply"),
        ("a." * 5000 + "a = 1", "study.toml: it has a name of more than 1000 parts"),
        ("#" * (10**6 + 1), "study.toml: it has 1,000,001 bytes, at most 1,000,000 are read; give a file of options"),
    ],
)
def test_a_toml_file_holds_options_and_nothing_else(text: str, message: str, tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    config.write_text(text)
    with pytest.raises(UsageError, match=message):
        parse(["--config", str(config)])


def test_a_config_is_a_regular_file_or_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("seeds = 1_000\nlrs = [1, 0.5]\n")
    (tmp_path / "link").symlink_to(tmp_path / "study.toml")
    options = parse(["--config", str(tmp_path / "link")])
    assert (options.seeds, options.lrs) == (1000, (1.0, 0.5))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "self", tmp_path / ("x" * 300)):
        with pytest.raises(UsageError, match="--config /"):
            parse(["--config", str(path)])


@pytest.mark.parametrize(
    ("word", "message"),
    [("a\0b", "holds a NUL"), ("a\udcff", "is not UTF-8"), ("x" * 4097, "has 4097 characters; give at most 4096")],
)
@pytest.mark.parametrize("option", ["--out", "--config", "--nonsense"])
def test_what_can_be_no_name_is_refused(option: str, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse([option, word])


@pytest.mark.parametrize("text", ["+3", "3", "003"])
def test_numbers_in_plain_digits_stay_numbers(text: str) -> None:
    assert parse(["--seeds", text, "--lrs", ".5", "1e-3", "2.", "+1E-2", "4"]).seeds == 3


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Options().seeds = 3  # type: ignore[misc]
