"""Which statistics should batch norm predict with?"""

from collections.abc import Sequence

from analysis.findings.modes.inference_modes import Modes
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report.document import Block, BulletList, Paragraph, Placeholder, Section
from analysis.report.sections.modes import batch_size, changed_images, companions, every_way, saved
from analysis.report.sentences import inference as inference_sentences
from study.spec import commands

NAME, TITLE = "inference", "Batch norm at test time"


def section(study: StudyData, results: Results) -> Section:
    """Return the part on the inference modes; where none was evaluated, how to have them."""
    modes = results.modes
    if modes is None:
        nothing = "Not measured yet. To add it without retraining:"
        return Section(NAME, TITLE, details=[Placeholder(nothing, commands.evaluate(commands.OUT / study.name))])
    evidence = [
        batch_size.accuracy(modes),
        companions.swaps(modes),
        saved.figure(modes),
        changed_images.by_kind(modes),
        batch_size.calibration(modes),
    ]
    details = [
        companions.logits(modes),
        companions.compositions(modes),
        changed_images.one_by_one(modes),
        every_way.in_every_condition(modes),
        every_way.elsewhere(study, modes),
    ]
    return Section(NAME, TITLE, [*_said(modes, results.margin), *_there(evidence)], _there(details))


def _said(modes: Modes, margin: float) -> list[Block]:
    """Return the advice, and what it is said of."""
    lines = inference_sentences.ledger(modes, margin)
    introduction = Paragraph(
        "At test time, batch norm can use statistics saved in training or those of the test batch. We compare them on"
        f" the same networks and images, {inference_sentences.where(modes)}. Simultaneous intervals decide each line."
    )
    return [introduction, BulletList(lines)] if lines else [introduction]


def _there(blocks: Sequence[Block | None]) -> list[Block]:
    return [block for block in blocks if block is not None]
