"""What goes into a paper: the answer as a table, the methods with their papers, the figures as files."""
