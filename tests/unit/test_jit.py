"""How kernels are compiled: who may call them, and how often each is."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import types

from tapewire.compiled.jit import jit, jit_entry, jit_inline

ROW = np.dtype([("narrow", "i4"), ("byte", "u1"), ("wide", "i8"), ("bits", "u8"), ("flag", "?")])


@jit
def half(value: int) -> int:
    return value // 2


@jit
def own_type(value: Any) -> Any:
    return value


@jit_inline
def of_all(*words: int) -> int:
    return words[0] * 100 + words[1]


@jit_entry
def halves(row: Any) -> Any:
    return half(row.narrow), half(row.byte), half(row.wide), half(7)


@jit_entry
def own_types(row: Any) -> Any:
    return own_type(row.bits) + np.uint64(1), own_type(row.flag), own_type(1.5)


@jit_entry
def together(row: Any) -> Any:
    return of_all(row.narrow, row.byte), of_all(row.wide, 9)


@pytest.fixture
def row() -> Any:
    rows = np.zeros(1, ROW)
    rows[0] = -7, 255, -(2**40) - 1, 2**63, True
    return rows[0]


def test_a_kernel_is_compiled_once_whatever_the_width_of_its_integers(row: Any) -> None:
    assert halves(row) == (-4, 127, -(2**39) - 1, 3)
    assert len(half.overloads) == 1  # type: ignore[attr-defined]
    assert together(row) == (-445, (-(2**40) - 1) * 100 + 9)
    assert len(of_all.overloads) == 1  # type: ignore[attr-defined]


def test_what_is_no_signed_word_keeps_its_type(row: Any) -> None:
    assert own_types(row) == (2**63 + 1, True, 1.5)
    assert len(own_type.overloads) == 3


@jit
def top(value: int) -> int:
    return left(value) + right(value)


@jit
def left(value: int) -> int:
    return 10 * shared(value)


@jit
def right(value: int) -> int:
    return shared(value + 1)


@jit_inline
def shared(value: int) -> int:
    return value * value


@jit_entry
def diamond(value: int) -> int:
    return top(value) + shared(value)


def test_parts_have_no_machine_code_of_their_own_and_meet_in_what_calls_them() -> None:
    assert diamond(3) == 9 * 10 + 16 + 9
    assert diamond.overloads[(types.int64,)].library.get_pointer_to_function(  # type: ignore[attr-defined]
        diamond.overloads[(types.int64,)].fndesc.llvm_func_name  # type: ignore[attr-defined]
    )
    for part in (top, left, right, shared):
        (compiled,) = part.overloads.values()  # type: ignore[attr-defined]
        assert compiled.library._compiled_object is None


@jit
def never_called(value: int) -> int:
    return value


@pytest.mark.parametrize("kernel", [half, never_called], ids=["compiled", "not compiled"])
def test_a_kernel_for_kernels_says_so_to_python(row: Any, kernel: Any) -> None:
    halves(row)
    assert (len(kernel.overloads) == 1) == (kernel is half)
    with pytest.raises(TypeError, match=rf"test_jit\.{kernel.__name__} is for kernels alone: comp"):
        kernel(8)


def test_scipy_is_loaded_by_a_kernel_that_multiplies_matrices_alone() -> None:
    pytest.importorskip("scipy")
    program = """if True:
        import sys, numba, numpy as np, tapewire.compiled.jit
        total = numba.njit(lambda a: a.sum())
        product = numba.njit(lambda a, b: np.dot(a, b))
        assert total(np.ones(3)) == 3 and "scipy.linalg" not in sys.modules
        assert product(np.ones((1, 2)), np.ones((2, 1)))[0, 0] == 2
        assert "scipy.linalg" in sys.modules
        assert numba.np.arraymath._HAVE_BLAS
    """
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
