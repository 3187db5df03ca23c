"""What ``tapewire new`` writes, as text: ``$name`` and the like stand for what is asked for."""
