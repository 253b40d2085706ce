"""The sections as one HTML file."""
