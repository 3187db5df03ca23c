"""Commands of ``.ci`` that are Python, as modules."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType


def ci_command(name: str) -> ModuleType:
    """Load one, without leaving its bytecode beside it."""
    path = Path(__file__).parents[1] / ".ci" / name
    loader = SourceFileLoader(f"{name}_command", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module
