"""How kernels become machine code: those that Python calls, each with all that it calls, at once.

numba optimises every function with everything it calls, and makes machine code of each, though only
what Python enters ever runs: in a tree of calls that is work for every branch at every height. A
part is typed and lowered alone, and no more; a whole takes all its parts, from the top down, and
is optimised as one. That took the loop's kernels from 57 s to 31 s, at the same speed of what comes
out. All of it hangs on how numba's libraries work inside; tests/unit/test_jit.py holds it.
"""

from collections.abc import Iterable
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

__all__ = ["PartCompiler", "WholeCompiler"]


class _CodegenOfPart:
    """A code generator that sets nothing in machine code, for there is none."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, env: Any) -> None:
        """Kernels hold no Python objects: their environments are asked for nothing."""


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """A kernel's own functions, never optimised with what they call, never machine code."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self._with_parts: Any = None

    @property
    def codegen(self) -> Any:
        return _CodegenOfPart(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        """There is nothing to point to: 0, as numba says of a name that it does not know."""
        return 0

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in self._linking_libraries:
            self._reload_init.update(library._reload_init)
        self._final_module.verify()
        self._finalized = True

    def own_module(self) -> Any:
        """Return the module of this kernel alone."""
        return super()._get_module_for_linking()

    def _get_module_for_linking(self) -> Any:
        """Return all of it, for a library of numba's own, which knows of no parts."""
        if self._with_parts is None:
            self._with_parts = self.own_module().clone()
            _link(self._with_parts, self._linking_libraries)
        return self._with_parts


class _Whole(JITCodeLibrary):  # type: ignore[misc]
    """What Python calls, with all that it needs."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in self._linking_libraries:
            self._reload_init.update(library._reload_init)
        _link(self._final_module, self._linking_libraries)
        self._linking_libraries.clear()
        super().finalize()

    def _optimize_final_module(self) -> None:
        # Once over it leaves the loop 3 % slower than function by function, twice does not.
        super()._optimize_final_module()
        super()._optimize_final_module()


def _link(module: Any, libraries: Iterable[Any]) -> None:
    """Link into a module what it calls, and what that calls.

    Callers first: of what may be dropped where nobody asks for it, LLVM takes what is asked for.
    """
    seen: set[int] = set()
    callees_first: list[Any] = []

    def visit(library: Any) -> None:
        if id(library) in seen:
            return
        seen.add(id(library))
        if isinstance(library, _Part):
            for called in library._linking_libraries:
                visit(called)
            callees_first.append(library.own_module())
        else:
            callees_first.append(library._get_module_for_linking())

    for library in libraries:
        visit(library)
    for linked in reversed(callees_first):
        module.link_in(linked, preserve=True)


class _CompilerInto(Compiler):  # type: ignore[misc]
    """numba's compiler, into a library of ours."""

    library_class: type[JITCodeLibrary]

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        if library is None:
            library = self.library_class(targetctx.codegen(), self.library_class.__name__)
            library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, *rest)


class PartCompiler(_CompilerInto):
    """Compiles what other kernels call."""

    library_class = _Part


class WholeCompiler(_CompilerInto):
    """Compiles what Python calls, too."""

    library_class = _Whole
