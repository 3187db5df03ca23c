"""The configuration: its keys, how it is read and changed, and what is wrong with it in words."""

from pathlib import Path
from typing import Final

#: What ``tapewire run`` runs without a configuration.
DEFAULT_CONFIG: Final = Path(__file__).with_name("default.yaml")
