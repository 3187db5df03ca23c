"""Tapewire for a team: one server over a store, who may do what there, and its client."""
