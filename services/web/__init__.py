"""The studio: a page in a browser, over the same calls that clients make."""
