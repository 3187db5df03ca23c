"""Names and texts of users as they may stand in code."""

import builtins
import keyword
import re
import textwrap
import unicodedata
from typing import Final

#: Columns of a line of code.
WIDTH: Final = 100
_NAME_MAX: Final = 60
#: Letters beyond ASCII that a docstring keeps.
_LATIN: Final = range(0xC0, 0x250)
#: What the files import under names like a class's, or what stands in them.
_TAKEN: Final = frozenset(
    (
        "Any", "BacktestConfig", "BacktestResult", "BarStrategy", "CandleStrategy", "Candles",
        "BarColumns", "DeclaredBars", "Distance", "EventDrivenEngine", "Exits", "Mapping",
        "ParameterSpec", "Played", "SeenColumn", "SessionClock", "StrategyDefinition",
        "Timeframes", "VectorEngine", "np", "tw",
    )
)  # fmt: skip


def class_name(name: str) -> str:
    """Return a name for a class: the ASCII letters and digits of a text, each word with a capital.

    >>> class_name("MA_Cross RSI filter"), class_name("2 médias"), class_name("None")
    ('MACrossRSIFilter', 'Strategy2Medias', 'NoneStrategy')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", plain)
    found = "".join(word[0].upper() + word[1:] for word in words)[:_NAME_MAX]
    if not found or found[0].isdigit():
        found = f"Strategy{found}"
    if keyword.iskeyword(found) or hasattr(builtins, found) or found in _TAKEN:
        found = f"{found}Strategy"
    return found


def constant_name(name: str) -> str:
    """Return a name for a constant.

    >>> constant_name("MA_Cross RSI filter"), constant_name("ñ 2x"), constant_name("CODE")
    ('MA_CROSS_RSI_FILTER', 'N_2X', 'CODE_STRATEGY')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    found = "_".join(re.findall(r"[A-Za-z0-9]+", plain)).upper()[:_NAME_MAX].rstrip("_")
    if not found or found[0].isdigit():
        found = f"STRATEGY_{found}".rstrip("_")
    # Constants of what the file imports, or has itself, are single words.
    return found if "_" in found else f"{found}_STRATEGY"


def literal(text: str) -> str:
    """Return a text as a literal of Python in ASCII, which is that text and nothing else."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


def shown(text: str) -> str:
    """Return a text as it may stand in a docstring: on one line, what could end it left out."""
    kept = (
        one if (" " <= one <= "~" and one not in '"\\') or ord(one) in _LATIN else "?"
        for one in text
    )
    return "".join(kept).strip() or "?"


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return lines of a text, the second and later ones further in."""
    return textwrap.wrap(
        text, WIDTH - 4, initial_indent=indent, subsequent_indent=f"{indent}    ",
        break_long_words=True, break_on_hyphens=False,
    )  # fmt: skip
