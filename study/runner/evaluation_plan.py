"""What will an evaluation of trained networks do, and how long does it take? Said before torch is imported."""

from collections.abc import Sequence

from study.engine import costs, devices
from study.inference.complete import Extent, missing, work
from study.runner.forecast import expected_throughput
from study.runner.plan import describe_data, describe_time
from study.runner.progress import Progress
from study.spec.commands import shown_path
from study.spec.design import Design
from study.spec.runs import Run
from study.store.study_folder import Folder


def announce(
    folder: Folder, design: Design, runs: Sequence[Run], extent: Extent, device: str, n_workers: int, progress: Progress
) -> str | None:
    """Say what will be evaluated of ``runs``, then refuse a device that is not there; returns the device, None where
    there is nothing to evaluate."""
    manifest = folder.own_manifest()
    model = costs.for_engine(manifest["device"].get("engine", costs.TORCH.kind))
    todo = missing(folder, design, runs, extent)
    throughput, source = expected_throughput(model, design, folder.path.parent)
    units = sum(work(design, run, evaluations, model) for run, evaluations in todo.items())
    seconds = model.start_seconds + units / throughput / n_workers
    noun = f"test {design.data.noun}s"
    changed = "clean, corrupted and selected" if design.data.has_pictures else "clean and selected"
    what = f"clean {noun}" if extent.clean else f"{changed} {noun}"
    why = "tables are" if design.data.image is None else "images outside of [0, 1] are"
    left_out = [] if extent.clean or design.data.has_pictures else [f"         {why} not corrupted"]
    lack = f"{len(todo)} of {len(runs)} lack evaluations" if todo else f"all {len(runs)} are evaluated"
    lines = [
        *describe_data(design.data, None),
        f"folder   {shown_path(folder.path)}",
        f"networks {lack} on {what}",
        *left_out,
        *([f"time     {describe_time(seconds, n_workers, source)}"] if todo else []),
    ]
    progress.emit("plan", "\n".join(lines), dataset=design.dataset, folder=str(folder.path))
    chosen = device if device == "cpu" else devices.choose(device, of_study=None)
    return chosen if todo else None
