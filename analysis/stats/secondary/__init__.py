"""What stands beside an answer and is none: other means, the next pair, shares, all analyses at once. Arrays in, small
named results out."""
