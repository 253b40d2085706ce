"""What was done? Statements as values, of which a study's page and its paper have those that hold of it."""
