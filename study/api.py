"""What the commands do, as functions: train, evaluate, optimise, read, and fit one run in memory.

Each is one call of the library that the command of the same work calls too, so that either goes on with a study that
the other began.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from study.cli.analysis_rule import asked_rule
from study.data.lazy import DATA_DIR, ImageSource
from study.engine import devices, registry
from study.engine.registry import Engine
from study.errors import StudyError, UsageError
from study.inference.complete import Extent, complete_evaluation, evaluable, without_networks
from study.runner import plan
from study.runner.complete import carry_out, conclude
from study.runner.execution import Execution
from study.runner.outcome import INTERRUPTED, Outcome
from study.runner.progress import Progress
from study.spec.arms import DEFAULT_ARMS
from study.spec.checks import counted
from study.spec.cohorts import Cohort
from study.spec.datasets import DatasetSpec
from study.spec.design import Design
from study.spec.factors import REFERENCE_GRID
from study.spec.history import History
from study.spec.runs import Run
from study.store import inference_tables
from study.store.study_folder import SCHEMAS, Folder

if TYPE_CHECKING:
    import pandas as pd

StrPath = str | Path


def own_data(path: StrPath) -> DatasetSpec:
    """Read a data set of your own, to be the first argument of a ``Design`` or of ``optimise``.

    Parameters
    ----------
    path
        A file as ``np.savez("mine.npz", X_train=..., y_train=..., X_test=..., y_test=...)`` makes it. Features: numbers
        with any number of axes, one row an example; images of bytes (uint8) are divided by 255, all other numbers are
        taken as they are. Labels: integers or texts.

    Returns
    -------
    DatasetSpec
        Its shape and its digest; the arrays are read when they are trained on.

    Raises
    ------
    StudyError
        Where there is no such file, or nothing could be trained on it.
    """
    from study.data import own_file

    return own_file.describe(Path(path))


def train(
    design: Design,
    path: StrPath,
    *,
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
    data_dir: StrPath = DATA_DIR,
    inference_modes: bool = True,
    networks: bool = True,
    mixed_numerics: bool = False,
    alpha: float | None = None,
    margin: float | str | None = None,
    baseline: str | None = None,
    quiet: bool = True,
) -> Path:
    """Train what is missing of a study, and commit every cohort of runs as it is done.

    The same call again does nothing more; a design with longer lists of arms, seeds or levels extends the study;
    whatever stopped a call, the next one goes on.

    Parameters
    ----------
    design
        What is trained.
    path
        The folder of the study; its name is the study's.
    engine
        ``"torch"``, ``"kernel"`` (C, on a CPU), ``"plain"`` (a loop of torch.nn) or ``"auto"``: what the study began
        with; for a new one the faster, or ``"plain"`` where the design has a network of your own.
    workers
        Threads or processes on a CPU; None is one a core.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"``.
    data_dir
        Where the files of the data set lie or are downloaded to.
    inference_modes
        Whether the networks of a complete study are evaluated on the clean test images: in the main inference modes, at
        the cell that a report shows in all of them.
    networks
        Whether the trained networks are kept; without them no inference mode can be evaluated.
    mixed_numerics
        Whether a machine that computes with other bits than those that the study began with trains all the same; the
        report then says so.
    alpha, margin
        Significance level, and the difference of accuracy that would not matter: a fraction, or points such as
        ``"0.2pt"``. Both are fixed before the first run, as 0.05 and 0.002 unless given then; a later call may leave
        them out, and not change them.
    baseline
        The arm that every other one is compared with: ``"no_bn"`` where it is an arm, else the first, unless the first
        call names another.
    quiet
        Whether no progress is printed.

    Returns
    -------
    Path
        The folder, for ``read``, ``evaluate`` and ``analysis.load``.

    Raises
    ------
    StudyError
        Where the study cannot be trained so, or cohorts failed for good; what was committed is kept.
    KeyboardInterrupt
        Where it was stopped; what was committed is kept.
    """
    folder, asked = Folder(Path(path)), asked_rule(alpha, margin, baseline)
    execution = Execution(
        device=device, engine=engine, workers=workers, inference=inference_modes, networks=networks,
        mixed_numerics=mixed_numerics,
    )  # fmt: skip
    progress = Progress("text", quiet)
    plan.announce(design, folder, execution, progress, asked)
    source = ImageSource(design.data, Path(data_dir))
    command = f"study.train({folder.path.name!r})"
    ended = carry_out(design, folder, source, execution, progress, command, asked=asked)
    return _finished(folder, conclude(progress, folder, ended))


def evaluate(
    path: StrPath,
    conditions: Literal["clean", "all"] = "clean",
    *,
    workers: int | None = None,
    device: str = "cpu",
    data_dir: StrPath = DATA_DIR,
    mixed_numerics: bool = False,
    network: str | None = None,
) -> Path:
    """Evaluate the trained networks of a study under other statistics and, if asked for, on other images.

    Parameters
    ----------
    path
        The folder of a study that kept its networks.
    conditions
        ``"clean"``: the test images as they are, in every inference mode in every cell; ``"all"``: also corruptions,
        other class priors and halves of the test set, in the main ones.
    workers
        Threads on a CPU; None is one a core.
    device, data_dir, mixed_numerics
        As for ``train``.
    network
        ``"FILE.py:make"`` of a study of your own network: its code is run. A copy is in the study's folder.

    Returns
    -------
    Path
        The folder, whose tables ``ablation``, ``swaps``, ``compositions`` and ``statistics`` are written.

    Raises
    ------
    StudyError
        Where there is no study, or no network with statistics to choose.
    """
    folder = Folder(Path(path))
    design, runs = evaluable(folder, network)
    if not runs:
        raise UsageError(without_networks(folder))
    source, n_workers = ImageSource(design.data, Path(data_dir)), Execution(workers=workers).n_workers
    extent = Extent(clean=conditions == "clean")
    progress = Progress(quiet=True)
    complete_evaluation(folder, design, runs, source, device, extent, n_workers, progress, mixed_numerics)
    return folder.path


def optimise(
    dataset: str | DatasetSpec,
    path: StrPath,
    *,
    trials: int = 64,
    searches: int = 1,
    trial_seeds: int = 3,
    seeds: Sequence[int] = range(10),
    arms: Sequence[str] = DEFAULT_ARMS,
    epochs: int = 5,
    hidden: Sequence[int] = (32, 32),
    space: str | None = None,
    sampler: str = "sobol",
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
    data_dir: StrPath = DATA_DIR,
    mixed_numerics: bool = False,
    alpha: float | None = None,
    margin: float | str | None = None,
    baseline: str | None = None,
    quiet: bool = True,
) -> Path:
    """Tune every arm with the same budget on held-out training images, then train fresh seeds of what each found best.

    Parameters
    ----------
    dataset
        A key of ``DATASETS``, or what ``own_data`` returns.
    path
        The folder of the tuned study.
    trials
        Trials of each arm in a search, in all: more of them extend it.
    searches
        Independent searches, in all: more of them extend the study. Search s has the trial seeds of search 1 and 1,000
        (s - 1), the fresh seeds and 1,000,000 (s - 1). One search compares two configurations; from six on there is an
        interval for what equal tuning gives.
    trial_seeds
        Seeds of a trial, whose score is their mean.
    seeds
        Fresh seeds of search 1 for the best configuration of each arm, and for the tutorial's setting beside it.
    arms, epochs, hidden
        As in a ``Design``.
    space
        Ranges such as ``"lr=1e-3:1,batch_size=32:256"``.
    sampler
        ``"sobol"``, ``"tpe"`` or ``"gp"``.
    engine, workers, device, data_dir, mixed_numerics, alpha, margin, baseline, quiet
        As for ``train``; alpha and margin are fixed before the first trial.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StudyError
        Where the search was begun otherwise, or cohorts failed for good.
    KeyboardInterrupt
        Where it was stopped; the scores so far are kept.
    """
    from study.tuning import plan as tuning_plan
    from study.tuning.budget import Budget
    from study.tuning.complete import Optimisation
    from study.tuning.space import DEFAULT, Space

    design = Design(
        cast(str, dataset),  # of a data set it keeps the key
        arms=tuple(arms),
        seeds=tuple(seeds),
        epochs=epochs,
        hidden=tuple(hidden),
        **cast(dict[str, Any], REFERENCE_GRID),
    )
    folder = Folder(Path(path))
    optimisation = Optimisation(
        design=design,
        budget=Budget(trials, searches, seeds=trial_seeds, space=Space.parse(space or DEFAULT), sampler=sampler),
        folder=folder,
        source=ImageSource(design.data, Path(data_dir)),
        execution=Execution(
            device=device, engine=engine, workers=workers, inference=False, mixed_numerics=mixed_numerics
        ),
        progress=Progress("text", quiet),
        command=f"study.optimise({design.dataset!r}, {folder.path.name!r})",
        asked=asked_rule(alpha, margin, baseline),
    )
    tuning_plan.announce(optimisation)
    return _finished(folder, optimisation.complete())


def read(path: StrPath, table: str = "records") -> "pd.DataFrame":
    """Read a table of a study, checked against its schema, its digest and the bounds of what is read.

    Parameters
    ----------
    path
        The folder of the study.
    table
        ``"records"`` (a row per run, epoch and split), ``"runs"``, ``"labels"`` (the class of each test image, in the
        order of ``runs.test_correct``), ``"trials"`` of a tuned study, or ``"ablation"``,
        ``"swaps"``, ``"compositions"``, ``"statistics"`` of one whose networks were evaluated.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    StudyError
        Where there is no such table, or it is not what was written.
    """
    folder = Folder(Path(path))
    if table in SCHEMAS:
        rows = folder.read(table)
    elif table == "trials":
        rows = _read_trials(folder)
    elif table in inference_tables.COLUMNS:
        rows = inference_tables.read_table(folder.path, table)
    else:
        known = [*SCHEMAS, "trials", *inference_tables.COLUMNS]
        raise UsageError(f"there is no table {table!r}; choose from: {', '.join(known)}")
    if rows is None:
        maker = "evaluate" if table in inference_tables.COLUMNS else "train"
        raise UsageError(f"{folder.path} has no table {table!r} yet; study.{maker} makes it")
    return rows.to_pandas(use_threads=False)


def fit(design: Design, run: Run, *, engine: Engine = "auto", data_dir: StrPath = DATA_DIR) -> History:
    """Train one run in memory, on the CPU, and write nothing.

    Its numbers have the bits that the run has in a study by the same engine.

    Parameters
    ----------
    design
        What the run belongs to: data set, epochs, network.
    run
        Such as ``Run(32, 0.01, seed=0, arm="bn")``.
    engine, data_dir
        As for ``train``.

    Returns
    -------
    History
        Losses (1, epochs + 1, splits) in nats per image, correct answers, weights; epoch 0 is the untrained network.

    Raises
    ------
    StudyError
        Where the run cannot be trained: a batch of one under batch norm, an arm or a level that is not known, an engine
        that is not there.
    """
    design = design.of_run(run)
    if not run.applicable:
        raise UsageError(f"{run} cannot be trained: {run.why_not}; choose another batch size")
    from study.engine.lockstep.training import train_together

    name, _ = registry.choose(engine, design, "cpu", tf32=False, of_study=None)
    devices.prepare(name)
    data = ImageSource(design.data, Path(data_dir)).images
    cohort = Cohort((run.cell,), (run.arm,), (run.seed,))
    (history,) = train_together(design, [cohort], data, make=registry.trainer_factory(name))
    return history


def _finished(folder: Folder, outcome: Outcome) -> Path:
    if outcome.stopped == INTERRUPTED:
        raise KeyboardInterrupt
    if outcome != Outcome():
        raise StudyError(
            f"{folder.path}: {counted(outcome.failures, 'group')} of runs failed; repeat the call to try them again"
        )
    return folder.path


def _read_trials(folder: Folder) -> Any:
    from study.tuning import trials_table

    try:
        return trials_table.read(folder)
    except FileNotFoundError:
        raise UsageError(f"{folder.path} has no table 'trials': it was not tuned; study.optimise makes one") from None
    except ValueError as error:
        raise UsageError(f"{folder.path / 'trials.parquet'} cannot be read: {error}") from None
