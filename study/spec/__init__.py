"""What is trained, as values: design, arms, factors, cohorts, histories. Knows no torch and no files."""
