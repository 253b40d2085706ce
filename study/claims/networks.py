"""The networks of a sub-study, as probes evaluate them: those of one arm together, of the seeds that are asked."""

from collections.abc import Iterable, Sequence

from study.claims.lost import needed_networks
from study.claims.measuring import Context
from study.data.dataset import Dataset
from study.inference.complete import trained
from study.inference.evaluate import Group
from study.spec.claims.experiments import STUDIES
from study.store.study_folder import Folder
from study.store.weights import Networks


def groups(
    context: Context, study: str, seeds: Iterable[int], arms: Sequence[str] = (), data: Dataset | None = None
) -> list[Group]:
    """Return the networks of a key of STUDIES at these seeds, arm by arm; an EnvironmentFault where files are missing
    or damaged.

    ``arms``: those of the study unless given; ``data``: what they were trained on, where it is not the data set of the
    command. A run that diverged has no network and is left out, as is an arm of which no run is left.
    """
    design, wanted = STUDIES[study].design(context.data, context.extent), {*seeds}
    path = context.studies / study
    networks, sound = Networks(path, design), [run for run in trained(Folder(path), design) if run.seed in wanted]
    found = []
    for arm in arms or design.arms:
        runs = [run for run in sound if run.arm == arm]
        if runs:
            with needed_networks(path):
                states = [networks.read(run) for run in runs]
            found.append(Group(design, runs, states, data or context.images, context.check_cancelled))
    return found
