"""A study on disk: every column of every table, written whole or not at all, read within bounds."""
