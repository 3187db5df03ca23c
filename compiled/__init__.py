"""The ground floor: the only way to compile, memory by address, exact arithmetic, units."""
