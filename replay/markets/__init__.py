"""Synthetic markets: measured on a file or as they come along, many instruments, many days."""
