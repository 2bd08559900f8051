"""Measuring the system: health, scores against a known truth, reports, replay of a journal."""
