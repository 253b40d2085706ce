"""What tuning finds: the best of many trials, how much of a space is good, choices that did not score themselves."""
