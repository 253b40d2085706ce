"""Searches and their trials, as values."""
