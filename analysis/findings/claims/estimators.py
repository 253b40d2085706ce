"""What estimates each row: a function of a ledger's records for every key of ``study.spec.claims.rows.ROWS``."""

from analysis.findings.claims import from_drift, from_probes, from_studies
from analysis.findings.claims.estimates import Estimators

ESTIMATORS: Estimators = {**from_studies.ESTIMATORS, **from_probes.ESTIMATORS, **from_drift.ESTIMATORS}
"""By key of a row."""
