"""Numbers already computed -> matplotlib figure. No interval is made here: table, words and figure read one object."""
