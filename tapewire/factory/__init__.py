"""Strategies made by rule, tried, judged and kept: what ``tapewire factory`` does, from Python."""
