"""Market data files before a run: made, looked into, converted, kept, told from one another."""
