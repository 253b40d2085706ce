"""What a reader sees first: the finding as a title, cards, two figures, how sure it is and what was not tested."""
