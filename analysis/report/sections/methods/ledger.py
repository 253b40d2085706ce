"""Statements on the tutorial's ledger, where a study has one."""

from analysis.report.sections.methods.conditions import Has
from analysis.report.sections.methods.statements import Statement

LEDGER = "The tutorial's ledger"
STATEMENTS = (
    Statement(
        "ledger-rules",
        LEDGER,
        "Each half-claim of the tutorial [@ioffe2015] is a row: one quantity at one setting, and the region of values"
        " that the claim names. The {n_ledger_rows} rows and {n_ledger_controls} controls stand with their regions in"
        " the manifest, which is written before the first run. A row is supported where its interval lies in the"
        " region, contradicted where it lies outside and undecided elsewhere; to lie in a region around zero is to pass"
        " two one-sided tests [@schuirmann1987]. AUCs and counts of failures also need an adjusted p of alpha at most."
        " There is no verdict before all rows of a family are run, or on a reported number where more than"
        " {most_failed} of the runs failed. A claim has the verdict of its rows, or is mixed; controls do not count.",
        Has.ledger,
    ),
    Statement(
        "ledger-families",
        LEDGER,
        "Rows over the seeds that all experiments share are one family, adjusted by max-T over signs of whole seeds,"
        " which is approximate with few seeds [@westfall1993; @montielolea2019]. Rows over other seeds or units, and"
        " counts of failures, are another: their p-values by Holm's method [@holm1979], their intervals at Bonferroni's"
        " level [@dunn1961]. Identities and controls stand alone. The p of a two-sample test is twice the median over"
        " splits; failures are tested by McNemar's test; at batch size 2 each arm has the rate that was best on the"
        " other seeds.",
        Has.ledger,
    ),
    Statement(
        "ledger-measures",
        LEDGER,
        "A classifier two-sample test [@lopezpaz2017] says by its AUC [@delong1988] whether two sets of images differ."
        " Inside a network, over the units that are live, the drift of a training step is the mean absolute change of"
        " the units' means over the mean of their sds, on 1,000 images as one batch of training; noise of noisy batch"
        " norm is drawn anew before and after the step. The spread of batch means is the sd of the batches' means over"
        " the unit's sd. Gradient ICS is how much a layer's gradient changes when the layers below it have made their"
        " step [@santurkar2018]; its means are geometric.",
        Has.inside,
    ),
)
"""Statements on the ledger, in order."""
