"""Tapewire."""
