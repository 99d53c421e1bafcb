"""Evaluation: arrays and model files in; numbers, verdicts and figures out. Never torch."""
