"""The words of the study: one meaning each, in code, tables and report.

arm       what is compared: ``bn`` (with batch normalisation) and ``no_bn`` (without)
factor    what is varied beside the arm and the seed: batch size, learning rate
cell      one combination of the factors
run       one training: (arm, cell, seed)
pair      the runs of one cell and seed that differ in the arm alone
cohort    runs trained together in lockstep; a matter of speed that never shows in a number
record    one row: (run, epoch, split)

The study trains and knows no statistics; ``analysis`` concludes and imports no torch.
"""
