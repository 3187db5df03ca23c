"""Bars: indicators on them, strategies declared as data, timeframes of one instrument."""
