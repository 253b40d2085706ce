"""A small study whose networks have predicted in many ways, with planted answers."""

from pathlib import Path

from analysis.findings.modes.inference_modes import Modes, modes
from analysis.records.tables import load, load_ablation
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import CLEAN, WITHOUT_NORM, Row, Way, answer, plant, plant_ablation

SEEDS = (0, 1, 2)
MEAN_SEED = 1
DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=SEEDS, epochs=1)
BY_BATCH: dict[Way, int] = {
    ("batch", 1, "shuffled"): 36, ("batch", 8, "shuffled"): 280, ("batch", 32, "shuffled"): 310,
    ("batch", 128, "shuffled"): 330, ("batch", 8, "natural"): 270, ("batch", 32, "natural"): 300,
    ("batch", 8, "sorted"): 40, ("batch", 32, "sorted"): 60,
}  # fmt: skip
LEVEL: dict[Way, int] = {
    ("running", None, None): 340, ("population", None, None): 343, ("cumulative_last", None, None): 338,
    ("cumulative_all", None, None): 320,
}  # fmt: skip
OTHERS: dict[Way, int] = {
    ("mean_only", 8, "shuffled"): 250, ("precise", None, None): 341, ("blend_16", 1, "shuffled"): 334,
    ("blend_16", 8, "shuffled"): 333,
}  # fmt: skip
"""Right answers of 360 by the network of seed 0; every further seed has one more."""
NO_NORM = 300
"""Of every network without batch norm, whatever the images."""
CHANGED = {
    ("gaussian_noise", 3): 40, ("gaussian_noise", 5): 100, ("shot_noise", 5): 20, ("one_class", 0): 30,
    ("first_half", 0): 10, ("invert", 5): 130,
}  # fmt: skip
"""Right answers that a condition costs in every way."""
SWAPS = {(32, 16): 0.5, (8, 2): 0.2, (128, 1): 0.02}
"""How far the batch mean moves by (size of the batch, images replaced), not in the order of its law."""
ERRORS = {("running", 0): 0.3, ("running", 1): 0.4, ("cumulative_all", 0): 1.1, ("cumulative_all", 1): 1.3}


def ece(way: Way) -> float:
    """Planted calibration error: smaller in larger batches, smallest with saved statistics."""
    return 0.004 if way[1] is None else 0.3 / way[1] + (0.001 if way[0] == "batch" else 0)


def answers(run: Run) -> dict[str, list[Row]]:
    conditions = {CLEAN: 0} | CHANGED
    if run.arm != "bn":
        return {"ablation": [answer(WITHOUT_NORM, at, NO_NORM - cost, ece=0.02) for at, cost in conditions.items()]}
    ways = BY_BATCH | LEVEL | OTHERS
    asked = [
        answer(way, at, max(0, n - cost) + run.seed, ece=ece(way), degenerate=way[1] == 1)
        for at, cost in conditions.items()
        for way, n in ways.items()
    ]
    swaps = [
        {
            "eval_batch_size": size, "n_swapped": k, "mean_change": moved * (1 + 0.1 * run.seed), "value_change": 0.3,
            "logit_change": 2.0, "flip_rate": 0.5 * moved * (1 + 0.2 * run.seed), "draw_seed": run.seed,
            "n_images": 100, "running_flips": 0,
        }
        for (size, k), moved in SWAPS.items()
    ]  # fmt: skip
    errors = [
        {
            "inference": name, "layer": layer, "rms_mean_error": error + 0.01 * run.seed,
            "rms_log_var_error": 2 * error + 0.02 * run.seed,
        }
        for (name, layer), error in ERRORS.items()
    ]  # fmt: skip
    composed = [{"eval_batch_size": 8, "draw_seed": run.seed, "any_flip": 0.7, "mates_share": 0.2}]
    return {"ablation": asked, "swaps": swaps, "statistics": errors, "compositions": composed}


def modes_of(path: Path) -> Modes:
    """What the analysis finds of the study, planted under ``path``."""
    study = load(plant_ablation(plant(path, DESIGN, lambda run, _: 0.9 + 0.001 * run.seed), DESIGN, answers))
    ablation = load_ablation(study)
    assert ablation
    return modes(study, ablation, 0.05, 0.002)


def percent(n: int) -> float:
    """Of the mean over the networks."""
    return 100 * (n + MEAN_SEED) / 360
