"""Arrays in, small named results out; numpy and scipy alone."""
