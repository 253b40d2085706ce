"""What will an evaluation of trained networks do, and how long does it take? Said before torch is imported."""

from collections.abc import Sequence

from study.engine import costs, devices
from study.inference.complete import Extent, missing, work
from study.runner.forecast import expected_throughput
from study.runner.plan import describe_data, describe_time
from study.runner.progress import Progress
from study.runner.session import emit_place
from study.spec.commands import shown_path
from study.spec.design import Design
from study.spec.runs import Run
from study.store.study_folder import Folder


def announce(
    folder: Folder, design: Design, runs: Sequence[Run], extent: Extent, device: str, n_workers: int, progress: Progress
) -> None:
    """Say what will be evaluated of ``runs`` and where, then refuse a device that is not there."""
    manifest = folder.own_manifest()
    model = costs.for_engine(manifest["device"].get("engine", costs.TORCH.kind))
    todo = missing(folder, design, runs, extent)
    throughput, source = expected_throughput(model, design, folder.path.parent)
    units = sum(work(design, run, evaluations, model) for run, evaluations in todo.items())
    seconds = model.start_seconds + units / throughput / n_workers
    what = "clean test images" if extent.clean else "clean, corrupted and selected test images"
    lines = [
        *describe_data(design.data, None),
        f"folder   {shown_path(folder.path)}",
        f"networks {len(runs)} trained; {len(todo)} lack evaluations on {what}",
        f"time     {describe_time(seconds, n_workers, source)}",
    ]
    progress.emit("plan", "\n".join(lines), dataset=design.dataset, folder=str(folder.path))
    if todo:
        progress.expect(inference=1.0)
    chosen = device if device == "cpu" else devices.choose(device, of_study=None)
    if todo and chosen != "cpu":
        emit_place(progress, chosen, devices.numerics_id(chosen, tf32=False))
