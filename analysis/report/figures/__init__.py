"""Matplotlib figures of numbers already computed: table, sentence and figure read one object."""
