"""Rails between what decides and what is sent: limits, journal, lease, kill switch, in a process of their own."""
