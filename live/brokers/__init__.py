"""Where orders go: what an adapter of a broker is, and tests that anybody can run on one."""
