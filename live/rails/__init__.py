"""Rails between what decides and what is sent, in a process of their own.

Limits, states, a journal, a lease, a kill switch: `line` is the engine's end of it, `hosting` the
process, `desk` what happens there, by `rules` that read no clock.
"""
