"""The kept networks. Oracles: torch.nn with its tensors loaded, and a plain loop that averages moments of batches."""

import hashlib
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from study import run
from study.data import dataset
from study.engine import reference
from study.engine.lockstep import training
from study.engine.lockstep.optimiser import Parameters
from study.engine.norms.batch import BatchNorm
from study.errors import UsageError
from study.inference import modes, statistics
from study.spec.arms import BATCH_STATISTICS, Norm
from study.spec.design import Design
from study.spec.history import History
from study.spec.runs import Run
from study.store import schemas, untrusted_safetensors, weights
from study.store.study_folder import Folder
from study.store.untrusted_parquet import InvalidFile, regular_file
from tests import ROOT
from tests.conftest import SMALL
from tests.study.studies import networks
from tests.study.values import cohort_of

HIDDEN = ("--hidden", "20", "12", "--no-ablation")  # no whole vectors: hidden layers are padded while training

StudyRun = Callable[..., int]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kept")
    assert run.main([*SMALL, *HIDDEN, "--seeds", "2", "--out", str(out), "--study-id", "s"]) == 0
    return out / "s"


@pytest.fixture(scope="module")
def design(kept: Path) -> Design:
    found = Folder(kept).design()
    assert found
    return found


def kept_runs(study: Path) -> set[str]:
    return {name.partition("/")[0] for name in networks(study)}


def file_of(study: Path, design: Design, one: Run) -> Path:
    return weights.Networks(study, design).path(one)


def as_torch(study: Path, design: Design, one: Run) -> reference.Network:
    """A torch.nn network with everything that is kept of a run but the cumulative statistics."""
    network = reference.Network(design, one)
    state = {name: torch.tensor(value) for name, value in weights.read(study, design, one).items()}
    found = network.load_state_dict({k: v for k, v in state.items() if "cumulative" not in k}, strict=False)
    assert not found.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in found.missing_keys)
    return network


# what is kept


def test_torch_nn_with_the_kept_tensors_answers_as_the_modes_do(kept: Path, design: Design, digits64) -> None:
    for one in design.runs:
        network = as_torch(kept, design, one).double().eval()
        state = {k: torch.tensor(v).double() for k, v in weights.read(kept, design, one).items()}
        stack = modes.Networks.from_states([state])
        mode = modes.FixedStatistics(statistics.stored_statistics([state], "running")) if one.arm == "bn" else None
        answers = modes.logits(stack, modes.first_preactivation(stack, digits64.test.images), mode)[0]
        torch.testing.assert_close(answers, network(digits64.test.images), rtol=1e-11, atol=1e-11)


def test_torch_nn_with_the_kept_tensors_is_as_often_right_as_the_records_say(
    kept: Path, design: Design, digits: dataset.Dataset
) -> None:
    records = Folder(kept).read("records").to_pandas()
    last = records[records.epoch == design.epochs].set_index(["run_id", "split"])
    for one in design.runs:
        network = as_torch(kept, design, one)
        for split, images in (("train", digits.train), ("test", digits.test)):
            loss, n_correct = reference.evaluate(network, images.images, images.labels)
            recorded = last.loc[design.run_id(one), split]
            assert n_correct == recorded.n_correct
            assert loss == pytest.approx(recorded.loss, rel=1e-4)


def test_names_and_shapes_are_torchs_with_the_cumulative_statistics_beside_them(kept: Path, design: Design) -> None:
    linears = {"linears.0.weight": (20, 64), "linears.0.bias": (20,), "linears.1.weight": (12, 20)}
    linears |= {"linears.1.bias": (12,), "linears.2.weight": (10, 12), "linears.2.bias": (10,)}
    sources = ("running", "cumulative_last", "cumulative_all")
    of_norm = ["weight", "bias", *(f"{source}_{what}" for source in sources for what in ("mean", "var"))]
    norms = {f"norms.{i}.{name}": (n,) for i, n in enumerate((20, 12)) for name in of_norm}
    for one in design.runs:
        found = weights.read(kept, design, one)
        assert {name: value.shape for name, value in found.items()} == linears | (norms if one.arm == "bn" else {})
        assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}
        assert all(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize("lie", [np.asfortranarray, lambda a: np.repeat(a, 2, -1)[..., ::2], lambda a: a[::-1][::-1]])
def test_what_is_read_is_what_was_kept_however_it_lay_in_memory(lie, tmp_path: Path) -> None:
    """safetensors saves the bytes of an array as they lie, in whatever order its axes have."""
    small = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), hidden=(3, 2))
    numbers = np.random.default_rng(0)
    for one in small.runs:
        shapes = weights.shapes(small, one.arm, one.cell)
        tensors = {name: lie(numbers.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}
        commit(tmp_path, small, [one], [tensors])
        found = weights.read(tmp_path, small, one)
        assert found.keys() == tensors.keys()
        for name, value in found.items():
            np.testing.assert_array_equal(value, tensors[name])


def commit(study: Path, design: Design, runs: list[Run], tensors: list[dict[str, np.ndarray]]) -> list[str]:
    """The networks and the part that names them; the names of the networks' files, each once."""
    folder, history = Folder(study), of_weights(tensors)
    folder.prepare()
    kept = weights.write(study, design, f"{design.run_id(runs[0])}", runs, history)
    made_by = [one.to_dict() if one else {} for one in kept]
    folder.commit("unit", schemas.part_table(design, runs, history, made_by))
    return [*dict.fromkeys(one.file for one in kept if one)]


def of_weights(tensors: list[dict[str, np.ndarray]]) -> History:
    n = len(tensors)
    zeros = np.zeros((n, 2, 2))
    return History(zeros, zeros.astype(int), np.ones((n, 2), bool), np.ones((n, 5), bool), n_steps=1, weights=tensors)


def test_a_diverged_run_leaves_no_file(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--seeds", "1", "--lrs", "0.01", "1e20", "--arms", "no_bn", "--batch-sizes", "64") == 0
    found = Folder(tmp_path / "s").design()
    assert found
    ok, diverged = (found.run_id(one) for one in found.runs)
    assert kept_runs(tmp_path / "s") == {ok}
    assert "1e20" in diverged or "1e+20" in diverged


def test_a_run_that_cannot_be_leaves_no_file(study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run("--batch-sizes", "1", "64", "--lrs", "0.001", "--seeds", "1", "--epochs", "1") == 0
    names = sorted(kept_runs(tmp_path / "s"))
    assert [name[:9] for name in names] == ["bn_b0064_", "no_bn_b00", "no_bn_b00"]


def test_two_workers_and_seeds_added_later_keep_the_same_bytes(kept: Path, study_run: StudyRun, tmp_path: Path) -> None:
    assert study_run(*HIDDEN, "--seeds", "1", "--workers", "1") == 0
    assert networks(tmp_path / "s").items() < networks(kept).items()
    assert study_run(*HIDDEN, "--seeds", "2", "--workers", "1") == 0
    assert networks(tmp_path / "s") == networks(kept)
    assert study_run(*HIDDEN, "--seeds", "2", "--workers", "2", "--study-id", "two") == 0
    assert networks(tmp_path / "two") == networks(kept)


# files


def test_a_unit_of_a_study_has_one_file_that_its_part_names_with_its_digest(kept: Path) -> None:
    places = [row for part in Folder(kept).read_parts() for row in part.to_pylist()]
    assert {row["network_file"] for row in places} == {path.name for path in (kept / "weights").iterdir()}
    assert len({row["network_file"] for row in places}) == len([*(kept / "parts").iterdir()]) < len(places)
    for row in places:
        content = (kept / "weights" / row["network_file"]).read_bytes()
        assert row["network_sha256"] == hashlib.sha256(content).hexdigest()


SMALL_DESIGN = Design("digits", ("no_bn",), batch_sizes=(32,), lrs=(0.01,), seeds=range(7), hidden=(3, 2))


def drawn(design: Design, one: Run) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(one.seed)
    shapes = weights.shapes(design, one.arm, one.cell)
    return {name: numbers.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(("most", "n_files"), [(10**6, 1), (8000, 3), (7000, 4), (1000, 7)])
def test_networks_are_split_over_files_and_one_that_is_too_large_has_its_own(
    most: int, n_files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network has 233 numbers in 6 tensors: 2,468 bytes by the count."""
    monkeypatch.setattr(weights, "MAX_FILE", most)
    runs = SMALL_DESIGN.runs
    names = commit(tmp_path, SMALL_DESIGN, runs, [drawn(SMALL_DESIGN, one) for one in runs])
    assert len(names) == n_files == len([*(tmp_path / "weights").iterdir()])
    networks_of = weights.Networks(tmp_path, SMALL_DESIGN)
    for one in runs:
        found, expected = networks_of.read(one), drawn(SMALL_DESIGN, one)
        assert found.keys() == expected.keys()
        assert all((found[name] == expected[name]).all() for name in expected)
    for name in names:
        size = (tmp_path / "weights" / name).stat().st_size
        assert size <= most or n_files == len(runs)


def test_only_the_network_that_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = SMALL_DESIGN.runs
    commit(tmp_path, SMALL_DESIGN, runs, [drawn(SMALL_DESIGN, one) for one in runs])
    read, load = [], untrusted_safetensors.load
    monkeypatch.setattr(untrusted_safetensors, "load", lambda file, place: read.append(place) or load(file, place))
    assert weights.Networks(tmp_path, SMALL_DESIGN).read(runs[3]).keys() == drawn(SMALL_DESIGN, runs[3]).keys()
    assert len(read) == 6
    assert sum(place.n_bytes for place in read) == 4 * SMALL_DESIGN.n_parameters("no_bn")


def test_a_network_of_any_module_is_read_by_the_shapes_that_are_asked_for(tmp_path: Path) -> None:
    one = SMALL_DESIGN.runs[0]
    tensors = {"conv.weight": np.ones((4, 1, 3, 3), np.float32), "norm.num_batches_tracked": np.array(7)}
    commit(tmp_path, SMALL_DESIGN, [one], [tensors])
    found = weights.read(tmp_path, SMALL_DESIGN, one, {name: tensor.shape for name, tensor in tensors.items()})
    assert found["norm.num_batches_tracked"] == 7
    assert (found["conv.weight"] == 1).all()
    with pytest.raises(UsageError, match=r"another design: conv.weight is \(4, 1, 3, 3\), this study has none"):
        weights.read(tmp_path, SMALL_DESIGN, one)
    with pytest.raises(UsageError, match=r"conv.weight is \(4, 1, 3, 3\), this study has \(5, 1, 3, 3\)"):
        weights.read(tmp_path, SMALL_DESIGN, one, {"conv.weight": (5, 1, 3, 3), "norm.num_batches_tracked": ()})


def test_a_file_of_networks_that_was_changed_is_refused(tmp_path: Path) -> None:
    """One bit of a number of another network: the file still reads well."""
    runs = SMALL_DESIGN.runs
    (name,) = commit(tmp_path, SMALL_DESIGN, runs, [drawn(SMALL_DESIGN, one) for one in runs])
    path = tmp_path / "weights" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read: its sha256 is not the one in the part of its runs"):
        weights.read(tmp_path, SMALL_DESIGN, runs[0])


def test_a_network_of_schema_version_1_has_a_file_by_the_name_of_its_run(tmp_path: Path) -> None:
    one = SMALL_DESIGN.runs[0]
    Folder(tmp_path).prepare()
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / f"{SMALL_DESIGN.run_id(one)}.safetensors"
    path.write_bytes(save(drawn(SMALL_DESIGN, one), {"run_id": SMALL_DESIGN.run_id(one)}))
    found = weights.Networks(tmp_path, SMALL_DESIGN)
    assert [found.has(each) for each in SMALL_DESIGN.runs] == [True] + 6 * [False]
    assert not any(map(found.omits, SMALL_DESIGN.runs))
    assert found.sha256(one) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all((found.read(one)[name] == tensor).all() for name, tensor in drawn(SMALL_DESIGN, one).items())


@pytest.mark.parametrize("file", ["../../elsewhere.safetensors", "/etc/passwd", "a/b.safetensors", "x.pickle", ""])
def test_a_part_that_names_a_file_elsewhere_is_refused(file: str, tmp_path: Path) -> None:
    one = SMALL_DESIGN.runs[0]
    Folder(tmp_path).prepare()
    made_by = [{"network_file": file, "network_sha256": "0" * 64}]
    Folder(tmp_path).commit("unit", schemas.part_table(SMALL_DESIGN, [one], of_weights([{}]), made_by))
    with pytest.raises(UsageError, match="as the file of a network: it is not ours"):
        weights.Networks(tmp_path, SMALL_DESIGN)


def header(entries: object, n_bytes: int = 8) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + bytes(n_bytes)


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "ends before its header"),
        ((2**40).to_bytes(8, "little") + b"{}", "ends before its header"),
        ((3).to_bytes(8, "little") + b"{,}", "is not JSON"),
        (header([TENSOR]), "is no object"),
        (header({"a": 3}), "no tensor of a type that is read"),
        (header({"a": TENSOR | {"dtype": "F8"}}), "no tensor of a type that is read"),
        (header({"a": TENSOR | {"data_offsets": [0]}}), "no tensor of a type that is read"),
        (header({"a": TENSOR | {"data_offsets": [0, 9]}}), "lies outside of the file"),
        (header({"a": TENSOR | {"data_offsets": [-8, 0]}}), "lies outside of the file"),
        (header({"a": TENSOR | {"shape": [2.0]}}), "lies outside of the file"),
        (header({"a": TENSOR | {"shape": [True]}}), "lies outside of the file"),
        (header({"a": TENSOR | {"shape": [10**30]}}), "another size than its shape"),
        (header({"a": TENSOR | {"shape": [1]}}), "another size than its shape"),
        (len(twice := b'{"a": 1, "a": 2}').to_bytes(8, "little") + twice, "a name twice"),
        (len(deep := b"[" * 100_000).to_bytes(8, "little") + deep, "is not JSON"),
    ],
)
def test_a_header_that_does_not_describe_its_file_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    path.write_bytes(content)
    with regular_file(path) as file, pytest.raises(InvalidFile, match=said):
        untrusted_safetensors.directory(file)
    path.write_bytes(header({"a": TENSOR, "__metadata__": {"unit_id": "x"}}))
    with regular_file(path) as file:
        assert [*untrusted_safetensors.directory(file).places] == ["a"]


def test_a_file_of_more_than_the_networks_could_take_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = SMALL_DESIGN.runs[0]
    Folder(tmp_path).prepare()
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / f"{SMALL_DESIGN.run_id(one)}.safetensors"
    path.write_bytes(save(drawn(SMALL_DESIGN, one)) + bytes(1000))
    assert weights.read(tmp_path, SMALL_DESIGN, one)
    monkeypatch.setattr(weights, "MAX_FILE", 1500)
    with pytest.raises(UsageError, match=r"cannot be read: it has 1,932 bytes, at most 1,500 are read"):
        weights.read(tmp_path, SMALL_DESIGN, one)


# cumulative statistics


def moments_by_epoch(design: Design, one: Run, images: dataset.Dataset) -> dict[int, list[list[tuple[Tensor, Tensor]]]]:
    """Mean and unbiased variance of what each batch norm of the torch.nn loop is given: by layer, epoch, batch."""
    found: dict[nn.Module, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def note(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.BatchNorm1d):
            z = arguments[0].detach()
            found[module].append((z.mean(0), z.var(0)))

    hook = register_module_forward_pre_hook(note)
    try:
        *_, (network, _) = reference.train(design, one, images)
    finally:
        hook.remove()
    n = design.steps_per_epoch(one.cell.batch_size)
    per_layer = {layer: found[norm] for layer, norm in enumerate(network.norms)}
    return {layer: [all_[i : i + n] for i in range(0, len(all_), n)] for layer, all_ in per_layer.items()}


@pytest.mark.parametrize("batch_size", [7, 32, 500])
def test_cumulative_statistics_are_plain_averages_over_batches(batch_size: int, digits64: dataset.Dataset) -> None:
    """Over the last epoch, and over all batches of all epochs; the oracle trains in torch.nn, in float64."""
    design = Design("digits", ("bn",), (batch_size,), (0.001, 0.01), seeds=(3,), epochs=3, hidden=(20, 12))
    history = training.train(design, cohort_of(batch_size, ("bn",), design.lrs, design.seeds), digits64)
    for one, kept in zip(design.runs, history.weights, strict=True):
        for layer, epochs in moments_by_epoch(design, one, digits64).items():
            assert [len(batches) for batches in epochs] == [1437 // batch_size] * 3
            for window, batches in (("last", epochs[-1]), ("all", list(chain(*epochs)))):
                mean, var = (torch.stack(parts).mean(0).numpy() for parts in zip(*batches, strict=True))
                ours = [kept[f"norms.{layer}.cumulative_{window}_{what}"] for what in ("mean", "var")]
                np.testing.assert_allclose(ours[0], mean, rtol=1e-5, atol=1e-6 * np.sqrt(var).max())
                np.testing.assert_allclose(ours[1], var, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [2, 5, 64])
def test_cumulative_statistics_of_a_float32_layer_are_those_of_its_batches_in_float64(batch_size: int) -> None:
    """The same z for both: 2 runs of 3 units, of sizes from 0.01 to 100, in 4 epochs of 50 batches."""
    lrs, stream = torch.full((2, 1), 0.01), torch.Generator().manual_seed(0)
    parameters = Parameters((1, 1), {"n.weight": (1, 3), "n.bias": (1, 3)}, lrs)
    layer = BatchNorm(parameters, "n", 3, Norm("batch", BATCH_STATISTICS))
    scale = torch.tensor([[0.01, 1, 100], [0.1, 10, 30]])
    z = (torch.randn(4, 50, batch_size, 2, 3, generator=stream) + torch.arange(4)[:, None, None, None, None]) * scale
    for epoch in z:
        layer.begin_epoch()
        for batch in epoch:
            layer.forward(batch)
    found = layer.cumulative(batch_size, n_batches=50)
    for window, epochs in (("last", z[-1:]), ("all", z)):
        var, mean = torch.var_mean(epochs.flatten(0, 1).double(), dim=1)
        for what, expected in (("mean", mean), ("var", var)):
            ours = found[f"cumulative_{window}_{what}"]
            torch.testing.assert_close(ours[:, 0].double(), expected.mean(0), rtol=1e-5, atol=0)


# bad input


@pytest.mark.parametrize(
    ("hidden", "arm", "said"),
    [
        ((20, 13), "bn", r"linears\.1\.bias is \(12,\), this study has \(13,\)"),
        ((20,), "bn", r"linears\.1\.bias is \(12,\), this study has \(10,\)"),
        ((20, 12, 4), "bn", r"linears\.2\.bias is \(10,\), this study has \(4,\)"),
        ((20, 12), "no_bn", r"norms\.0\.bias is \(20,\), this study has none"),
    ],
)
def test_a_network_of_another_design_is_refused_by_name_and_shape(
    hidden: tuple[int, ...], arm: str, said: str, kept: Path, design: Design, tmp_path: Path
) -> None:
    one, other = design.runs[0], replace(design, hidden=hidden)
    path = tmp_path / "weights" / f"{other.run_id(Run(one.cell, seed=one.seed, arm=arm))}.safetensors"
    path.parent.mkdir()
    path.write_bytes(save(weights.read(kept, design, one)))
    with pytest.raises(UsageError, match=f"^{re.escape(str(path))} holds a network of another design: {said}$"):
        weights.read(tmp_path, other, Run(one.cell, seed=one.seed, arm=arm))


@pytest.mark.parametrize("n_bytes", [0, 4, 40, -1])
def test_a_truncated_file_is_an_error_in_words(n_bytes: int, kept: Path, design: Design, tmp_path: Path) -> None:
    one = design.runs[0]
    copy = Path(shutil.copytree(kept, tmp_path / "s"))
    path = file_of(copy, design, one)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(UsageError, match=rf"^{re.escape(str(path))} cannot be read: .*Restore it, or train under"):
        weights.read(copy, design, one)


def test_a_missing_file_is_an_error_in_words(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "weights" / f"{design.run_id(design.runs[0])}.safetensors"
    with pytest.raises(UsageError, match=rf"^{re.escape(str(path))} is missing: trained before networks were kept"):
        weights.read(tmp_path, design, design.runs[0])


def test_nothing_that_could_be_executed_is_loaded() -> None:
    """Neither pickle nor what stands on it; numpy refuses it unless told otherwise."""
    sources = {
        path: path.read_text("utf-8") for folder in ("study", "analysis") for path in ROOT.glob(f"{folder}/**/*.py")
    }
    assert ROOT / "study" / "store" / "weights.py" in sources
    forbidden = re.compile(r"import pickle|from pickle|torch\.(load|save)\(|allow_pickle|joblib|read_pickle|\.pt[\"']")
    assert {path.name: found[0] for path, text in sources.items() if (found := forbidden.search(text))} == {}
