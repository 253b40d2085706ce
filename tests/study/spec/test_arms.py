"""Arms and normalisations are values: an unknown one can be neither asked for nor trained, and none is the baseline."""

import json
import pickle
from pathlib import Path

import pytest

import study.engine.norms
from study import run
from study.cli.run_options import parse
from study.engine import norms, registry
from study.errors import UsageError
from study.spec.arms import ARMS, BASELINE, BUILT_IN, DEFAULT_ARMS, Arm
from study.spec.design import Design
from study.spec.norms import NORM_KINDS, Norm
from study.spec.runs import Run

SLOW = Arm("slow", "slow batch normalisation", norm=Norm("batch", momentum=0.01))


def test_every_kind_of_norm_has_its_file_and_every_file_its_kind() -> None:
    folder = Path(study.engine.norms.__file__).parent
    shared = {"__init__", "affine", "averages"}
    assert {path.stem for path in folder.glob("*.py")} - shared == {*NORM_KINDS}
    for key, kind in NORM_KINDS.items():
        module = norms.module_of(Norm(key, 4 if kind.group_of else None))
        assert all(callable(getattr(module, name)) for name in ("stacked", "twin", "by_image"))


def test_the_arms_have_other_names_and_looks_each_and_the_first_three_those_they_had() -> None:
    for names in ("key", "name", "short", "tag"):
        assert len({getattr(arm, names) for arm in BUILT_IN}) == len(BUILT_IN)
    assert len({(arm.colour, arm.line, arm.marker) for arm in BUILT_IN}) == len(BUILT_IN)
    shown = [(arm.key, arm.name, arm.short, arm.tag, arm.colour, arm.line, arm.marker) for arm in BUILT_IN[:3]]
    assert shown == [
        ("bn", "batch normalisation", "with BN", "with", "#0173b2", "-", "o"),
        ("no_bn", "no batch normalisation", "without BN", "without", "#d55e00", "--", "s"),
        ("layer", "layer normalisation", "with LN", "with LN", "#029e73", "-.", "D"),
    ]


def test_the_arms_of_the_plan_are_there() -> None:
    wanted = "no_bn bn bn_after bn_beta bn_gamma bn_no_affine bn_no_bias ghost_8 ghost_32 layer layer_after group_4 rms"
    assert {*wanted.split(), "renorm", "noisy", "dropout_0.2"} == {*ARMS}


@pytest.mark.parametrize("arm", [*BUILT_IN, SLOW], ids=lambda arm: arm.key)
def test_an_arm_is_what_its_json_says(arm: Arm) -> None:
    assert Arm.from_dict(json.loads(json.dumps(arm.to_dict()))) == arm


def test_a_key_with_a_number_is_of_a_family() -> None:
    assert ARMS["ghost_16"].norm == Norm("ghost", 16)
    assert ARMS["group_8"].norm == Norm("group", 8)
    assert ARMS["dropout_0.5"].dropout == 0.5
    assert "ghost_16" not in [*ARMS]
    design = Design("digits", ("ghost_16", "no_bn", "ghost_8", "dropout_0.1"))
    assert (design.arms, design.own_arms) == (("no_bn", "ghost_8", "ghost_16", "dropout_0.1"), ())


@pytest.mark.parametrize("key", ["ghost_1", "ghost_08", "ghost_", "ghost_x", "dropout_0.50", "dropout_1", "rms_2"])
def test_a_number_that_a_family_does_not_have_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=r"--arms .* is unknown|group is 1|group 1: give a whole number from 2"):
        Design("digits", (key, BASELINE))


def test_an_unknown_arm_is_refused_with_the_known_ones_the_nearest_and_how_to_spell_out_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main(["--dataset", "digits", "--arms", "bm", "no_bn", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "study.run: --arms 'bm' is unknown (did you mean bn?); choose from: bn, no_bn, layer, bn_after" in said
    assert "any ghost_N, group_N, dropout_P" in said
    assert not any(tmp_path.iterdir())
    line, _, options = said.partition("write the line ")[2].partition(" into bm.toml and type ")
    config = tmp_path / "bm.toml"
    config.write_text(line)
    read = parse([word.replace("bm.toml", str(config)) for word in options.split()])  # what it says to type, typed
    assert read.design("digits").own_arms == (Arm("bm", norm=Norm("batch", momentum=0.01)),)


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ({"norm": "bach"}, r"normalisation 'bach' is unknown \(did you mean batch\?\); choose from: batch, layer"),
        ({"norm": "batch", "grup": 4}, r"the arm mine: 'grup' is unknown \(did you mean group\?\)"),
        ({"norm": "batch", "group": 4}, "batch: group is 4, and it has no groups; leave it out"),
        ({"norm": "ghost"}, "ghost: it needs a group, a number of images such as 8"),
        ({"norm": "group", "group": 1}, "group: group 1: give a whole number from 2 to 32768 groups"),
        ({"norm": "layer", "momentum": 0.5}, "layer: it keeps no averages, so it has no momentum; leave it out"),
        ({"norm": "batch", "momentum": 0}, 'momentum is 0; give a number above 0 up to 1, or "cumulative"'),
        ({"norm": "batch", "momentum": True}, 'momentum is true; give a number above 0 up to 1, or "cumulative"'),
        ({"norm": "batch", "gamma": 1}, "batch: gamma is 1; give true or false"),
        (
            {"norm": "batch", "placement": "between"},
            "batch: placement 'between' is unknown .*: before, after",
        ),
        ({"momentum": 0.5}, 'the arm mine: momentum belongs to a normalisation; give one, such as norm = "batch"'),
        ({"dropout": 1}, "the arm mine: dropout is 1; give a share from 0 to below 1, such as 0.2"),
        ({"name": "$x_$"}, "the arm mine: name is .*; give at most 60 printable characters"),
        ({"name": 3}, "the arm mine: name is 3; give at most 60 printable characters"),
        ({"colour": "red"}, "the arm mine: colour is .*red.*; give one such as #0173b2"),
        ({"marker": "$"}, "the arm mine: marker .* is unknown"),
        ({"key": "../up"}, "an arm is called .*; give a key of at most 40 letters"),
    ],
)
def test_an_arm_that_cannot_be_is_refused_with_the_rule(spelled: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Arm.from_dict({"key": "mine", **spelled})


def test_an_own_arm_is_kept_in_the_design_and_known_to_whoever_reads_it() -> None:
    design = Design("digits", ("bn", SLOW))
    assert (design.arms, design.own_arms) == (("bn", "slow"), (SLOW,))
    assert design == Design("digits", ("slow", "bn"), own_arms=[SLOW])
    assert design.digest != Design("digits", ("bn", "no_bn")).digest
    written, pickled = json.loads(json.dumps(design.to_dict())), pickle.dumps(design)
    assert written["own_arms"] == [
        {"key": "slow", "norm": "batch", "momentum": 0.01, "name": "slow batch normalisation"}
    ]
    for again in (lambda: Design.from_dict(written), lambda: pickle.loads(pickled)):
        del ARMS["slow"]
        assert again() == design
        assert ARMS["slow"] == SLOW
    with pytest.raises(UsageError, match="the arm slow is known and is another one; give yours another key"):
        Design("digits", ("bn", Arm("slow", norm=Norm("batch", momentum=0.5))))
    with pytest.raises(UsageError, match="the arm bn is known and is another one"):
        Design("digits", (Arm("bn", norm=Norm("layer")), "no_bn"))


def test_a_design_without_own_arms_has_the_digests_that_it_had() -> None:
    assert Design("digits", ("bn", "layer", "no_bn")).digest[:8] == "6c4a9d8d"
    assert "own_arms" not in Design("digits").to_dict()


def test_a_file_may_spell_out_arms(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text('arms = ["bn", "slow"]\n[own-arms.slow]\nnorm = "batch"\nmomentum = 0.01\nshort = "slow BN"\n')
    design = parse(["--config", str(config)]).design("digits")
    assert design.own_arms == (Arm("slow", short="slow BN", norm=Norm("batch", momentum=0.01)),)
    with pytest.raises(UsageError, match="the arm slow is spelled out and not compared; add it: --arms bn no_bn slow"):
        parse(["--config", str(config), "--arms", "bn", "no_bn"])
    config.write_text('own-arms.slow = "batch"\n')
    with pytest.raises(UsageError, match=r"spell out an arm so: own-arms\.mine = \{norm = "):
        parse(["--config", str(config)])
    config.write_text('own-arms.slow = {norm = "batch", momentum = 2}\n')
    with pytest.raises(UsageError, match=r"own\.toml: batch: momentum is 2; give"):
        parse(["--config", str(config)])


@pytest.mark.parametrize(
    ("arm", "batch_size", "why"),
    [
        ("bn", 1, "batch norm on batches of one"),
        ("bn", 2, None),
        ("layer", 1, None),
        ("dropout_0.2", 1, None),
        ("ghost_8", 1, "batch norm on batches of one"),
        ("ghost_8", 12, "ghosts of 8 images, which do not divide a batch of 12"),
        ("ghost_8", 4, "ghosts of 8 images, which do not divide a batch of 4"),
        ("ghost_8", 64, None),
    ],
)
def test_an_arm_says_on_which_batches_it_cannot_train(arm: str, batch_size: int, why: str | None) -> None:
    run = Run(batch_size, 0.01, seed=0, arm=arm)
    assert (run.why_not, run.applicable) == (why, why is None)


def test_groups_that_do_not_divide_a_layer_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--hidden 33: it cannot be divided into 4 .* such as 36"):
        Design("digits", ("group_4", "no_bn"), hidden=(32, 33))
    with pytest.raises(UsageError, match=r"--hidden 4: .* such as 8"):
        Design("digits", ("group_4", "no_bn"), hidden=(4,))


@pytest.mark.parametrize("arm", ["layer", "bn_after", "bn_no_bias", "dropout_0.2", "ghost_8", SLOW])
def test_an_arm_that_the_kernel_does_not_know_trains_by_torch_and_says_so(arm: str | Arm) -> None:
    design, key = Design("digits", arms=(arm, BASELINE)), arm if isinstance(arm, str) else arm.key
    engine, notice = registry.choose("auto", design, "cpu", tf32=False, of_study=None)
    assert engine.startswith("torch")
    assert notice is not None
    assert notice.startswith(f"the kernel does not know the arm {key}: the torch engine trains")
    with pytest.raises(Exception, match=f"--engine kernel: the kernel does not know the arm {key}"):
        registry.choose("kernel", design, "cpu", tf32=False, of_study=None)


def test_what_is_compared_by_default_is_another_thing_than_what_is_known() -> None:
    assert Design("digits").arms == DEFAULT_ARMS
    assert {*DEFAULT_ARMS} <= {*ARMS}


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (3, "own_arms is 3; give a list of objects"),
        ([3], "own_arms has 3; give a list of objects"),
        ([{}], "an arm is .*; give an object such as"),
        ([{"key": "mine", "norm": ["batch"]}], "normalisation .* is not a name; choose from: batch, layer"),
        ([{"key": "mine", "norm": "ghost", "group": 10**9}], "ghost: group 1000000000: give a whole number from 2"),
        ([{"key": "bn", "norm": "layer"}], "the arm bn is known and is another one"),
    ],
)
def test_own_arms_of_a_strangers_manifest_are_checked(own: object, message: str) -> None:
    values = Design("digits", ("bn", "no_bn")).to_dict() | {"own_arms": own}
    with pytest.raises(UsageError, match=message):
        Design.from_dict(values)
