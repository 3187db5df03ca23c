"""One run: what is asked for, how its parts meet, and what comes of it."""
