"""The server: who calls, whether they may, what is done for them, and what is said of it."""
