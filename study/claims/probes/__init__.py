"""Measurements for the ledger, one concept a file: functions of a training or of trained networks, in rows."""
