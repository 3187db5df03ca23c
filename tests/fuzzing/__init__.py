"""Broken input for every reader: one seeded mutator, what it is let loose on, a process for it."""
