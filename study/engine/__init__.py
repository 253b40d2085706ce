"""Given a design, a cohort and data, the history that ``reference`` would have returned."""
