"""Execution of one command on a study: device, workers, progress, manifest; resumable."""
