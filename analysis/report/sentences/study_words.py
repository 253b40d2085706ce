"""What do sentences call what a study averages over? It depends on how many settings and epochs there are."""

from analysis.records.cells import PLAIN
from analysis.records.tables import StudyData
from study.spec.design import Design
from study.spec.factors import Cell, in_words


def over_all(study: StudyData) -> str:
    """Return what a mean over the settings is over, with a space in front; nothing where there is one setting."""
    return " over all settings" if len(study.design.cells) > 1 else ""


def setting(study: StudyData, cell: Cell) -> str:
    """Return a setting in a table or a list: with more than two factors by the levels of those alone that vary."""
    if len(study.cell_key) <= PLAIN:
        return in_words(cell)
    varied = [factor for factor in study.design.factors if len(study.design.levels(factor.key)) > 1]
    return ", ".join(f"{factor.label} {factor.show(cell[factor.key])}" for factor in varied) or in_words(cell)


def endpoints(n_epochs: int) -> dict[str, str]:
    """Return the names of the endpoints.

    >>> endpoints(10)
    {'last3': 'last three epochs', 'final': 'last epoch'}
    >>> endpoints(1)["last3"], endpoints(2)["last3"]
    ('only epoch', 'last two epochs')
    """
    last = {1: "only epoch", 2: "last two epochs"}.get(n_epochs, "last three epochs")
    return {"last3": last, "final": "last epoch"}


def primary(study: StudyData) -> str:
    """Return what the primary endpoint is."""
    n_epochs = study.design.epochs
    return f"{'' if n_epochs == 1 else 'mean '}test accuracy of the {endpoints(n_epochs)['last3']}"


def threshold(fraction: float) -> str:
    """Return a learning threshold in percent, which is no whole number of percent for every number of classes.

    >>> threshold(0.2), threshold(5 / 9)
    ('20 %', '55.6 %')
    """
    return f"{100 * fraction:.3g} %"


SEED_OF = {
    "both": "the initial weights and the order of the images",
    "weights": "the initial weights",
    "order": "the order of the images and all else that training draws",
}
"""What a seed decides, by what a design splits it into."""


def seed_of(design: Design) -> str:
    """Return what a seed fixes, and whose the rest is."""
    rest = {"weights": "; all else is that of seed 0", "order": "; the initial weights are those of seed 0"}
    return SEED_OF[design.seed_of] + rest.get(design.seed_of, "")
