"""What a run needs of the system: signals, child processes, and the way to the replay."""
