import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from scipy import ndimage, stats
from torch import Tensor

from study.data import dataset
from study.inference import corruptions
from study.spec.inference.conditions import CONDITIONS, STRENGTHS, Condition

CORRUPTED = [condition for condition in CONDITIONS if condition.name in STRENGTHS]
PRIORS = ["long_tail", "five_classes", "one_class", "first_half", "second_half"]


def grey(n: int, level: float = 0.5) -> Tensor:
    return torch.full((n, 784), level)


def random(n: int, side: int = 28) -> tuple[Tensor, Tensor]:
    """Images of white noise and their labels."""
    stream = torch.Generator().manual_seed(0)
    return torch.rand(n, side * side, generator=stream), torch.arange(n) % 10


def spot(row: int, column: int) -> Tensor:
    """One white pixel, (1, 784)."""
    picture = torch.zeros(28, 28)
    picture[row, column] = 1
    return picture.reshape(1, 784)


def pictures(images: Tensor) -> Tensor:
    side = round(images.shape[1] ** 0.5)
    return images.reshape(-1, side, side)


def test_the_conditions_are_clean_then_five_severities_each_then_the_priors() -> None:
    assert CONDITIONS[0] == Condition("clean", 0)
    assert CORRUPTED == list(CONDITIONS[1:66]) == [Condition(name, s) for name in STRENGTHS for s in (1, 2, 3, 4, 5)]
    assert [condition.name for condition in CONDITIONS[66:]] == PRIORS
    assert all(len(strengths) == 5 for strengths in STRENGTHS.values())


# What a corruption does, by hand or by another library.


def test_light_by_hand() -> None:
    images = torch.tensor([[0.0, 0.2, 0.4, 1.0]])  # mean 0.4
    by_hand = {
        (corruptions.brightness, 0.5): [0.5, 0.7, 0.9, 1.0],
        (corruptions.gain, 0.5): [0.0, 0.1, 0.2, 0.5],
        (corruptions.contrast, 0.5): [0.2, 0.3, 0.4, 0.7],
        (corruptions.invert, 0.25): [0.25, 0.35, 0.45, 0.75],
    }
    for (corruption, strength), expected in by_hand.items():
        assert corruption(images, strength).tolist() == [pytest.approx(expected, abs=1e-6)]


def test_the_strongest_inversion_is_the_negative() -> None:
    images, labels = random(20)
    assert torch.equal(corruptions.apply(Condition("invert", 5), images, labels)[0], 1 - images)


def test_the_background_tells_the_class_and_white_strokes_stay() -> None:
    images = torch.tensor([0.0, 0.5, 0.5, 1.0]).repeat(10, 1)
    lit = corruptions.background(images, 0.9, torch.arange(10))
    levels = torch.arange(10) / 10
    assert torch.allclose(lit[:, 0], levels)
    assert torch.allclose(lit[:, 1], 0.5 + levels / 2)
    assert torch.equal(lit[:, 3], torch.ones(10))


@pytest.mark.parametrize("sd", STRENGTHS["gaussian_noise"])
def test_gaussian_noise_on_grey_is_a_clipped_normal(sd: float) -> None:
    """Oracle: the moments of a normal of mean 0.5 clipped at 0 and 1, integrated; within 5 standard errors."""
    n = 784 * 400
    noisy = corruptions.gaussian_noise(grey(400), sd).double()
    normal = stats.norm(0.5, sd)
    variance = 2 * (normal.expect(lambda x: (x - 0.5) ** 2, 0.5, 1) + 0.25 * normal.sf(1))
    assert noisy.mean().item() == pytest.approx(0.5, abs=5 * (variance / n) ** 0.5)
    assert noisy.var().item() == pytest.approx(variance, rel=5 * (2 / n) ** 0.5)


@pytest.mark.parametrize("photons", STRENGTHS["shot_noise"])
def test_shot_noise_counts_photons(photons: float) -> None:
    """Oracle: the probabilities of a Poisson count, those past a white pixel gathered in it; chi-squared."""
    noisy = corruptions.shot_noise(grey(200, 0.3), photons)
    counts = (noisy * photons).round().long().flatten().bincount(minlength=int(photons) + 1)
    law = stats.poisson(0.3 * photons)
    expected = torch.tensor([*(law.pmf(k) for k in range(int(photons))), law.sf(photons - 1)]) * noisy.numel()
    usual = expected > 5
    statistic = ((counts - expected) ** 2 / expected)[usual].sum().item()
    assert stats.chi2(int(usual.sum()) - 1).sf(statistic) > 1e-4
    assert torch.equal(corruptions.shot_noise(grey(2, 0.0), photons), grey(2, 0.0))


def test_impulse_noise_turns_its_share_half_black_half_white_and_keeps_the_turned() -> None:
    n = 784 * 400
    before = torch.zeros(400, 784, dtype=torch.bool)
    for share in STRENGTHS["impulse_noise"]:
        noisy = corruptions.impulse_noise(grey(400), share)
        for colour in (0, 1):
            turned = (noisy == colour).float().mean().item()
            assert turned == pytest.approx(share / 2, abs=5 * (share / 2 / n) ** 0.5)
        assert torch.equal(noisy[noisy != 0.5].unique(), torch.tensor([0.0, 1.0]))
        assert (noisy[before] != 0.5).all()
        before = noisy != 0.5


def test_every_image_has_its_own_noise() -> None:
    for noise in (corruptions.gaussian_noise, corruptions.shot_noise, corruptions.impulse_noise):
        noisy = noise(grey(50), 0.3)
        assert len(noisy.unique(dim=0)) == 50


@pytest.mark.parametrize("sd", [0.14, 0.5, 1.8, 2.5])
def test_the_blur_weights_are_the_normal_distribution_over_pixels(sd: float) -> None:
    """Oracle: scipy's normal distribution."""
    weights = corruptions.blur_weights(sd)
    places = torch.arange(len(weights)) - len(weights) // 2
    shares = stats.norm.cdf(places + 0.5, scale=sd) - stats.norm.cdf(places - 0.5, scale=sd)
    assert weights.tolist() == pytest.approx(shares / shares.sum(), rel=1e-9)
    assert 3 * sd <= places[-1] < 3 * sd + 1


def test_blur_is_a_convolution_with_its_weights_along_both_sides() -> None:
    """Oracle: scipy.ndimage, black beyond the edge."""
    images = random(3)[0].double()
    weights = corruptions.blur_weights(1.2).numpy()
    for blurred, picture in zip(pictures(corruptions.gaussian_blur(images, 1.2)), pictures(images), strict=True):
        once = ndimage.correlate1d(picture.numpy(), weights, axis=0, mode="constant")
        both = ndimage.correlate1d(once, weights, axis=1, mode="constant")
        assert torch.allclose(blurred, torch.from_numpy(both), atol=1e-12)


@pytest.mark.parametrize("sd", STRENGTHS["gaussian_blur"])
def test_blur_keeps_the_light_of_an_interior_image(sd: float) -> None:
    assert corruptions.gaussian_blur(spot(13, 15), sd).sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("side", [7, 8, 28])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_are_those_of_rot90(side: int, quarters: int) -> None:
    images = random(4, side)[0].double()
    turned = pictures(corruptions.rotate(images, 90 * quarters))
    assert torch.allclose(turned, torch.rot90(pictures(images), quarters, (1, 2)), atol=1e-9)


@pytest.mark.parametrize("pixels", [0, 1, 5])
def test_whole_pixels_of_translation_are_a_roll_with_black_behind(pixels: int) -> None:
    images = random(4)[0].double()
    expected = torch.roll(pictures(images), (pixels, pixels), (1, 2))
    expected[:, :pixels] = 0
    expected[:, :, :pixels] = 0
    assert torch.allclose(pictures(corruptions.translate(images, pixels)), expected, atol=1e-9)


def test_a_distance_is_in_pixels_of_28_whatever_the_size() -> None:
    images = random(4, side=14)[0].double()
    moved = pictures(corruptions.translate(images, 2))
    assert torch.allclose(moved[:, 1:, 1:], pictures(images)[:, :-1, :-1], atol=1e-9)
    small, large = pictures(spot(13, 13))[:, 7:21, 7:21].reshape(1, 196), spot(13, 13)
    core = pictures(corruptions.gaussian_blur(large, 1))[:, 7:21, 7:21]
    assert torch.allclose(pictures(corruptions.gaussian_blur(small, 2)), core)


def test_scale_moves_places_towards_the_centre_in_proportion() -> None:
    """A white square of 16 pixels halved: 8 pixels about the same centre."""
    picture = torch.zeros(28, 28, dtype=torch.float64)
    picture[6:22, 6:22] = 1
    halved = pictures(corruptions.scale(picture.reshape(1, 784), 0.5))[0]
    expected = torch.zeros(28, 28, dtype=torch.float64)
    expected[10:18, 10:18] = 1
    assert torch.allclose(halved, expected, atol=1e-9)
    assert torch.allclose(pictures(corruptions.scale(picture.reshape(1, 784), 1))[0], picture)


def test_shear_moves_rows_by_their_height_above_the_centre() -> None:
    """At slope 1, row r moves 13.5 - r pixels to the right: half a pixel splits the light in two."""
    for row in (4, 13, 20):
        sheared = pictures(corruptions.shear(spot(row, 14), 1.0))[0]
        expected = torch.zeros(28, 28)
        expected[row, [14 + 13 - row, 14 + 14 - row]] = 0.5
        assert torch.allclose(sheared, expected, atol=1e-5)


# Which images are taken.


def test_the_long_tail_falls_geometrically_to_a_hundredth() -> None:
    labels = torch.arange(10_000) % 10
    rows = corruptions.select_rows(Condition("long_tail"), labels)
    counts = labels[rows].bincount().tolist()
    assert counts == [round(1000 * 100 ** (-c / 9)) for c in range(10)]
    assert (counts[0], counts[-1]) == (1000, 10)


def test_the_long_tail_takes_a_class_evenly_from_the_whole_file() -> None:
    labels = torch.arange(10_000) % 10
    rows = corruptions.select_rows(Condition("long_tail"), labels)
    gaps = rows[labels[rows] == 9].diff()
    assert gaps.tolist() == [1000] * 9


def test_the_long_tail_has_every_class_that_the_labels_have_and_no_more_than_they_have(digits: dataset.Dataset) -> None:
    for labels in (digits.test.labels, torch.tensor([3, 0, 3, 7]), torch.tensor([], dtype=torch.int64)):
        rows = corruptions.select_rows(Condition("long_tail"), labels)
        assert len(rows.unique()) == len(rows)
        assert torch.equal(labels[rows].unique(), labels.unique())


@pytest.mark.parametrize("n", [10, 11])
def test_the_halves_partition_the_file(n: int) -> None:
    labels = torch.zeros(n, dtype=torch.int64)
    halves = [corruptions.select_rows(Condition(name), labels) for name in ("first_half", "second_half")]
    assert torch.equal(torch.cat(halves), torch.arange(n))
    assert len(halves[0]) == 5


def test_some_classes_are_taken_whole_and_in_the_order_of_the_file() -> None:
    labels = torch.tensor([7, 4, 0, 5, 0, 2, 9])
    assert corruptions.select_rows(Condition("five_classes"), labels).tolist() == [1, 2, 4, 5]
    assert corruptions.select_rows(Condition("one_class"), labels).tolist() == [2, 4]
    assert corruptions.select_rows(Condition("rotate", 1), labels).tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_takes_images_with_their_labels_unchanged(name: str, digits: dataset.Dataset) -> None:
    images, labels = digits.test.images, digits.test.labels
    rows = corruptions.select_rows(Condition(name), labels)
    assert torch.equal(rows, rows.sort().values)
    kept, answers = corruptions.apply(Condition(name), images, labels)
    assert torch.equal(kept, images[rows])
    assert torch.equal(answers, labels[rows])


# What holds for all of them.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_stay_images_and_the_input_is_not_touched(dtype: torch.dtype, digits: dataset.Dataset) -> None:
    images, labels = digits.test.images.to(dtype), digits.test.labels
    images_before, labels_before = images.clone(), labels.clone()
    for condition in CONDITIONS:
        corrupted, answers = corruptions.apply(condition, images, labels)
        assert corrupted.dtype == dtype
        assert corrupted.shape == (len(answers), 64)
        assert corrupted.min() >= 0
        assert corrupted.max() <= 1
        assert condition.name in PRIORS or torch.equal(answers, labels)
    assert torch.equal(images, images_before)
    assert torch.equal(labels, labels_before)


def test_clean_is_what_it_was(digits: dataset.Dataset) -> None:
    images, labels = corruptions.apply(Condition("clean"), digits.test.images, digits.test.labels)
    assert torch.equal(images, digits.test.images)
    assert torch.equal(labels, digits.test.labels)


@pytest.mark.parametrize("name", STRENGTHS)
def test_the_distance_from_clean_grows_with_the_severity(name: str, digits: dataset.Dataset) -> None:
    images, labels = digits.test.images, digits.test.labels
    far = [
        (corruptions.corrupt(Condition(name, severity), images, labels) - images).abs().mean().item()
        for severity in (1, 2, 3, 4, 5)
    ]
    assert all(nearer < farther for nearer, farther in pairwise([0, *far]))


WEAKEST: list[tuple[Callable[[Tensor, float], Tensor], float]] = [
    *(
        (corruptions.brightness, 0),
        (corruptions.contrast, 1),
        (corruptions.gain, 1),
        (corruptions.invert, 0),
        (corruptions.gaussian_blur, 1e-3),
    ),
    *((corruptions.rotate, 0), (corruptions.translate, 0), (corruptions.scale, 1), (corruptions.shear, 0)),
    *((corruptions.gaussian_noise, 0), (corruptions.impulse_noise, 0), (corruptions.shot_noise, 1e9)),
]


@pytest.mark.parametrize(("corruption", "strength"), WEAKEST)
def test_without_strength_nothing_happens(corruption: Callable[[Tensor, float], Tensor], strength: float) -> None:
    images = random(5)[0]
    assert torch.allclose(corruption(images, strength), images, atol=2e-4)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_chunk_is_corrupted_as_in_the_whole_to_the_bit(size: int) -> None:
    images, labels = random(70)
    for condition in CORRUPTED:
        parts = [
            corruptions.corrupt(condition, images[start : start + size], labels[start : start + size], start)
            for start in range(0, 70, size)
        ]
        assert torch.equal(torch.cat(parts), corruptions.corrupt(condition, images, labels)), condition


def test_severities_and_precisions_share_their_draws() -> None:
    images = grey(20)
    weak, strong = (corruptions.gaussian_noise(images, sd) - 0.5 for sd in (0.01, 0.02))
    assert torch.allclose(2 * weak, strong, atol=1e-6)
    for noise, strength in (
        (corruptions.gaussian_noise, 0.1),
        (corruptions.shot_noise, 12),
        (corruptions.impulse_noise, 0.1),
    ):
        assert torch.allclose(noise(images, strength).double(), noise(images.double(), strength), atol=1e-6)


def test_the_global_generator_is_neither_used_nor_moved() -> None:
    images, labels = random(10)
    before = torch.get_rng_state()
    first = [corruptions.apply(condition, images, labels)[0] for condition in CONDITIONS]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert all(
        torch.equal(corruptions.apply(c, images, labels)[0], one) for c, one in zip(CONDITIONS, first, strict=True)
    )


DIGEST = """
import hashlib, torch
from study.inference.corruptions import apply
from study.spec.inference.conditions import CONDITIONS
images, labels = (torch.arange(30 * 784) % 97 / 96).reshape(30, 784), torch.arange(30) % 10
found = hashlib.sha256()
for condition in CONDITIONS:
    corrupted, answers = apply(condition, images, labels)
    found.update(f"{condition}{answers.tolist()}".encode() + corrupted.numpy().tobytes())
digest = found.hexdigest()
"""


@pytest.mark.slow
def test_other_processes_corrupt_to_the_same_bits() -> None:
    others = [
        subprocess.Popen(
            [sys.executable, "-c", f"{DIGEST}print(digest)"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    here: dict[str, str] = {}
    exec(DIGEST, here)
    assert [other.communicate(timeout=100)[0].strip() for other in others] == [here["digest"]] * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_sees_the_same_pictures() -> None:
    images, labels = random(50)
    for condition in CONDITIONS:
        here, answers = corruptions.apply(condition, images, labels)
        there, theirs = corruptions.apply(condition, images.cuda(), labels.cuda())
        assert there.is_cuda
        assert torch.allclose(there.cpu(), here, atol=1e-5), condition
        assert torch.equal(theirs.cpu(), answers)


# Bad input.


def test_an_unknown_name_is_quoted_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"condition 'fog': unknown; choose one of clean, gaussian_noise, .*, second"):
        Condition("fog", 1)


@pytest.mark.parametrize(
    ("name", "severity", "valid"), [("rotate", 6, "1, 2, 3, 4, 5"), ("rotate", 0, "1, 2, 3, 4, 5"), ("clean", 1, "0")]
)
def test_a_severity_that_is_not_is_quoted_with_the_valid_ones(name: str, severity: int, valid: str) -> None:
    with pytest.raises(ValueError, match=rf"^severity {severity} of '{name}': choose one of {valid}$"):
        Condition(name, severity)


def test_what_are_no_images_of_ten_classes_is_refused() -> None:
    images, labels = random(4)
    bad = [
        (images[:, :-1], labels, r"images of torch.float32 \(4, 783\): give floats \(n, side \* side\)"),
        (images.reshape(4, 28, 28), labels, r"images of torch.float32 \(4, 28, 28\): give floats"),
        ((images * 255).byte(), labels, r"images of torch.uint8 \(4, 784\): give floats"),
        (images, labels[:3], "4 images with 3 labels: give one label for each image"),
        (images, labels + 8, "label 10: choose one of 0 to 9"),
        (images, labels - 1, "label -1: choose one of 0 to 9"),
    ]
    for pixels, answers, message in bad:
        with pytest.raises(ValueError, match=message):
            corruptions.apply(Condition("clean"), pixels, answers)
