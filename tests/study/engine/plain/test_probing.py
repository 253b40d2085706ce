"""A network of one's own is tried before it trains: each wrong one is planted, and refused in one sentence."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import study
from study.engine import norms
from study.engine.plain import loading
from study.errors import UsageError
from study.spec.arms import ARMS
from study.spec.datasets import DATASETS
from study.spec.design import Design
from tests.study.networks_of_ours import CNN, FLAT, HEAD, MLP, made, write

DIGITS = DATASETS["digits"]
NORMED = "nn.Sequential(nn.Flatten(), nn.Linear(64, 9), {}, nn.Linear(9, 10))"
CLASS = """
class Net(nn.Module):
    def __init__(self, arm):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(64, 9), {norm}, nn.Linear(9, 10)

    def forward(self, x):
        h = self.a(x.flatten(1))
        {forward}
        return self.b(h)

def make(arm):
    return Net(arm)
"""

WRONG = {
    "raises": (
        made("raise ValueError('no')"),
        r"my_net.py:make for the arm bn raised ValueError: no \(line 8 of my_net",
    ),
    "exits": (made("raise SystemExit(3)"), r"raised SystemExit: 3 \(line 8 of my_net.py\); correct the file"),
    "syntax": ("def make(:\n", r"raised SyntaxError: .* \(line 1 of my_net.py\)"),
    "import": ("import no_such_thing\n", r"raised ModuleNotFoundError: .*no_such_thing.* \(line 1 of"),
    "no function": ("def mak(arm):\n    return 1\n", r"has no function 'make'; it has mak: write def make\(arm\)"),
    "no module": (made("return 3"), r"returns a int for the arm bn; a torch.nn.Module belongs there"),
    "nothing": (
        made("nn.Linear(64, 10)"),
        r"returns None for the arm bn; a torch.nn.Module .*: end it with return nn.S",
    ),
    "a class": (made("return nn.Linear"), r"returns the class Linear, not an object of it, for the arm bn"),
    "no parameters": (
        made("return nn.Flatten()"),
        r"has no parameters, .*: write def make\(arm\): return nn.Sequential",
    ),
    "frozen": (made(f"net = {FLAT}\nreturn net.requires_grad_(False)"), r"has requires_grad=False in every parameter"),
    "lazy": (made("return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))"), r"has lazy layers of no size yet"),
    "shape": (
        made("return nn.Sequential(nn.Flatten(), nn.Linear(64, 9))"),
        r"does not return logits \(images, 10\): given \(4, 1, 8, 8\) it returned the shape \(4, 9\); given \(4, 64\)",
    ),
    "too wide": (
        made("return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))"),
        r"given \(4, 1, 8, 8\) it raised RuntimeError: mat1 and mat2.*write def make\(arm\): return.*r\(64, 10",
    ),
    "needs more": (
        f"{HEAD}\ndef make(arm, width):\n    return 1\n",
        r"needs width; it is called with arm, seed_stream, da",
    ),
    "its own draws": (
        made(f"import random\nnet = {FLAT}\nnn.init.constant_(net[1].bias, random.random())\nreturn net"),
        r"is another when it is made again with the same seed: 1.bias differs",
    ),
    "draws in eval": (
        HEAD + CLASS.format(norm="norm_layer(arm, 9)", forward="h = functional.dropout(self.norm(h), 0.5)"),
        r"answers the same images in two ways after eval\(\): give functional.dropout training=self.training",
    ),
    "detached": (
        HEAD + CLASS.format(norm="norm_layer(arm, 9)", forward="return self.b(self.norm(h)).detach()"),
        r"for the arm bn raised RuntimeError: element 0 of tensors does not require grad",
    ),
    "one arm": (
        made(f"return {FLAT}"),
        r"makes the same network for the arms bn and no_bn; have it ask what arm it is",
    ),
    "twice": (
        HEAD + CLASS.format(norm="nn.BatchNorm1d(9)", forward="h = self.norm(self.norm(h))"),
        r"uses its batch norm layer 'norm' 2 times in a pass",
    ),
    "no averages": (
        made(f"return {NORMED.format('nn.BatchNorm1d(9, track_running_stats=False)')}"),
        r"has the batch norm layer '2' with track_running_stats=False",
    ),
    "functional": (
        HEAD + CLASS.format(norm="nn.Identity()", forward="h = functional.batch_norm(h, None, None, training=True)"),
        r"calls functional.batch_norm, whose statistics are kept where nobody can see them; use a layer",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_network_is_refused_in_one_sentence_that_says_how(wrong: str, tmp_path: Path) -> None:
    text, sentence = WRONG[wrong]
    with pytest.raises(UsageError, match=sentence) as refused:
        study.network(write(tmp_path, text), "digits")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "nothing_here.py:make",
            r"there is no file nothing_here.py; name yours, such as my_net.py:make, or choose cnn or",
        ),
        ("resnet50", r"choose cnn, residual, or a file of your own and its function, such as --network my_net.py:make"),
        ("my_net.py:no such", r"choose cnn, residual, or a file"),
        ("my_net.txt:make", r"choose cnn, residual, or a file"),
    ],
)
def test_a_network_that_is_nowhere_is_refused(option: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        study.network(option, "digits")


def test_a_network_is_known_by_its_file_and_function(tmp_path: Path) -> None:
    spec = study.network(write(tmp_path, CNN), "digits", arms=("layer", "no_bn", "bn"))
    assert spec.name == "my_net.py:make"
    assert [(a.arm, a.n_parameters, a.n_norms, a.images) for a in spec.arms] == [
        ("bn", 40 + 222 + 250 + 20, 2, True),
        ("layer", 40 + 222 + 250 + 20, 0, True),
        ("no_bn", 40 + 222 + 250, 0, True),
    ]  # fmt: skip
    assert spec.of("bn").n_products == 64 * 4 * 9 + 4 * 6 * 36 + 240
    assert Design.from_dict(Design("digits", network=spec).to_dict()).network == spec
    assert str(tmp_path) not in repr(Design("digits", network=spec).to_dict())


def test_an_image_is_asked_first_and_rows_where_it_is_not_taken(tmp_path: Path) -> None:
    assert not study.network(write(tmp_path, MLP), "digits").of("bn").images
    assert study.network("cnn", "digits").of("bn").images
    table = replace(DIGITS, image=None)
    assert (
        not study.network(write(tmp_path, made(f"return {NORMED.format('norm_layer(arm, 9)')}")), table).of("bn").images
    )
    with pytest.raises(UsageError, match=r"raised ValueError: scikit-learn's digits is a table; a convolution needs"):
        study.network("cnn", table)


@pytest.mark.parametrize(
    "arguments", ["", "arm", "seed_stream", "data", "seed_stream, arm", "arm, *, data=None, **more"]
)
def test_a_function_is_given_what_it_takes(arguments: str, tmp_path: Path) -> None:
    text = f"{HEAD}\ndef make({arguments}):\n    return {FLAT}\n"
    spec = study.network(write(tmp_path, text), "digits", arms=("bn",))
    assert spec.of("bn").n_parameters == 650


def test_a_class_makes_networks_too(tmp_path: Path) -> None:
    text = HEAD + CLASS.format(norm="norm_layer(arm, 9)", forward="h = self.norm(h)")
    file = write(tmp_path, text).replace(":make", ":Net")
    assert study.network(file, "digits").name == "my_net.py:Net"


def test_weights_follow_from_the_seed_and_are_shared_by_the_arms(tmp_path: Path) -> None:
    spec = study.network(write(tmp_path, CNN), "digits")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    bn, no_bn, other = (
        loading.make(spec, ARMS[arm], seed, DIGITS).state_dict() for arm, seed in (("bn", 3), ("no_bn", 3), ("bn", 4))
    )
    assert all(torch.equal(bn[name], tensor) for name, tensor in no_bn.items())
    assert not torch.equal(bn["0.weight"], other["0.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_stream_begins_where_the_seed_says(tmp_path: Path) -> None:
    text = f"""{HEAD}
def make(seed_stream):
    net = {FLAT}
    with torch.no_grad():
        net[1].weight.copy_(torch.rand(10, 64, generator=seed_stream))
    return net
"""
    spec = study.network(write(tmp_path, text), "digits", arms=("bn",))
    networks = [loading.make(spec, ARMS["bn"], seed, DIGITS) for seed in (0, 0, 1)]
    first, again, other = (network.state_dict()["1.weight"] for network in networks)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_file_that_has_changed_is_not_run(tmp_path: Path) -> None:
    spec = study.network(write(tmp_path, CNN), "digits")
    write(tmp_path, CNN + "\nraise SystemExit('run')\n")
    loading._function.cache_clear()
    with pytest.raises(
        UsageError, match=r"has the sha256 \w{12}, and the study's network is of \w{12}: the file was ch"
    ):
        loading.make(spec, ARMS["bn"], 0, DIGITS)


def test_a_design_refuses_what_a_network_does_not_obey(tmp_path: Path) -> None:
    spec = study.network("residual", "digits")
    for changed in ({"vary": {"activation": ("relu", "tanh")}}, {"hidden": (8, 8)}):
        with pytest.raises(UsageError, match=r"the network residual.py:make decides that itself; leave it out"):
            Design("digits", network=spec, **changed)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"known for the arms bn, no_bn, and not for layer"):
        Design("digits", arms=("bn", "layer"), network=spec)


WRONG_VALUES = [
    {"name": 3}, {"name": "a\n"}, {"sha256": "x"}, {"arms": {}}, {"arms": [{"arm": "bn"}]}, {"path": "/etc/passwd"},
    {"arms": [{"arm": "bn", "n_parameters": True, "n_products": 1, "n_norms": 0, "images": True}]},
    {"arms": [{"arm": "bn", "n_parameters": 2**31, "n_products": 1, "n_norms": 0, "images": True}]},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_a_manifest_with_another_network_is_refused(wrong: dict) -> None:
    values = Design("digits", network=study.network("residual", "digits")).to_dict()
    assert Design.from_dict(values).network is not None
    values["network"] = {**values["network"], **wrong}
    with pytest.raises(UsageError, match="network is an object; give an object with name, sha256"):
        Design.from_dict(values)


def test_a_norm_that_draws_is_left_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream would be that of no seed."""
    noisy = nn.BatchNorm1d(7)
    noisy.stream = torch.Generator()
    monkeypatch.setattr(norms, "module_of", lambda norm: SimpleNamespace(twin=lambda width, norm: noisy))
    with pytest.raises(UsageError, match="no form of the arm bn, which draws numbers of its own in every step"):
        study.norm_layer(ARMS["bn"], 7)


def test_a_norm_is_a_module_of_torch() -> None:
    assert re.match(r"BatchNorm1d\(7, eps=1e-05, momentum=0.1, affine=True", repr(study.norm_layer(ARMS["bn"], 7)))
    assert isinstance(study.norm_layer(ARMS["bn"], 8, ndim=2), nn.BatchNorm2d)
    group = study.norm_layer(ARMS["layer"], 8, ndim=2)
    x = torch.rand(3, 8, 4, 5)
    assert torch.allclose(group(x), nn.functional.layer_norm(x, x.shape[1:]), atol=1e-6)
    assert isinstance(study.norm_layer(ARMS["no_bn"], 8, ndim=2), nn.Identity)
    with pytest.raises(UsageError, match="choose ndim=1 for features, ndim=2 for images"):
        study.norm_layer(ARMS["bn"], 8, ndim=3)
