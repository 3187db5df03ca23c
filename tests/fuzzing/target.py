"""What is fuzzed: a reader, sound input for it, and how it may answer what is broken."""

import random
import re
from pathlib import Path
from typing import ClassVar

from fuzzing.mutator import Mutator
from tapewire.errors import TapewireError

#: Longest that an error may be; what it quotes of the input is cut.
_TEXT_MAX = 20_000


class Target:
    """A reader and its input.

    Parameters
    ----------
    folder
        An empty one, for what it writes.
    """

    name: ClassVar[str]
    #: What a refusal may be.
    refusals: ClassVar[tuple[type[TapewireError], ...]] = (TapewireError,)
    #: What a refusal says beside its file: where in it.
    where: re.Pattern[str] = re.compile("")

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def sound(self) -> None:
        """Read sound input: it must be taken."""
        raise NotImplementedError

    def broken(self, mutator: Mutator) -> None:
        """Read broken input; what is taken must be whole, else an error of Tapewire's is raised."""
        raise NotImplementedError

    def play(self, seed: int) -> bool:
        """Play a seed; whether its input was taken.

        Raises
        ------
        AssertionError
            If the refusal says too little, or what was taken is not whole.
        """
        try:
            self.broken(Mutator(random.Random(f"{self.name}:{seed}")))
        except self.refusals as error:
            self.check_refusal(str(error))
            return False
        return True

    def check_refusal(self, text: str) -> None:
        """Check that a refusal can be shown, and says where."""
        assert text, "a refusal without a word"
        assert len(text) < _TEXT_MAX, f"a refusal of {len(text)} characters: {text[:200]!r}…"
        shown = text.replace("\n", "").replace("\t", "")
        assert shown.isprintable(), f"a refusal that can't be shown: {text!r}"
        assert self.where.search(text), f"a refusal that does not say where: {text!r}"
