"""A command line as one frozen value, and its exit code."""
