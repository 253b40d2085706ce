"""One command's work on a study: place, workers, progress, manifest; resumable."""
