"""What stops an analysis."""


class AnalysisError(Exception):
    """The records do not allow what was asked; the text names the rows, the rule and what to do."""
