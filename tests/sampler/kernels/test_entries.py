"""Machine code of a kernel gives what Numba's function gives, and refuses arguments of other types."""

import gc
import sys
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from sampler.kernels.compiled.build import export
from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.machine_code import LoadedCode, MachineCode

PAIR, ROWS = (3, 4), np.arange(12, dtype=np.float32).reshape(3, 4)


def add(count: int, share: float, exact: bool) -> float:
    return count + share if exact else -share


def sizes(array: Any, pair: Any, nested: Any) -> Any:
    return array.shape[0] * pair[0], array.shape[1] + pair[1], nested[0][1] + nested[1].shape[0]


def fill(array: Any, value: int) -> None:
    for place in range(array.shape[0]):
        array[place] = value + place


def any_above(array: Any, least: float) -> bool:
    found = False
    for place in range(array.shape[0]):
        found |= array[place] > least
    return found


def mean_of_copy(array: Any, times: int) -> Any:
    whole = np.empty(array.shape[0] * times, np.float64)
    for place in range(whole.shape[0]):
        whole[place] = array[place % array.shape[0]]
    return whole.sum() / whole.shape[0]


def divide(first: int, second: int) -> float:
    return first / second


def sum_of_new(count: int) -> Any:
    return np.zeros(count, np.float64).sum()


CALLS: dict[Any, tuple[Any, ...]] = {
    add: (7, 0.5, True),
    sizes: (ROWS, PAIR, ((1, 2), np.zeros(5, np.int64))),
    fill: (np.zeros(5, np.uint8), 250),
    any_above: (np.arange(4.0), 2.5),
    mean_of_copy: (np.arange(5, dtype=np.float32), 3),
    divide: (7, 2),
    sum_of_new: (8,),
}
"""Kernels, each with arguments of the types that it is compiled for."""


@pytest.fixture(scope="module")
def code() -> MachineCode:
    kernels = [njit(nogil=True)(function) for function in CALLS]
    for kernel in kernels:
        kernel.dispatcher(*CALLS[kernel.function])
    exported: MachineCode = export(kernels)
    return exported


@pytest.fixture(scope="module")
def loaded(code: MachineCode) -> Any:
    """A function that calls a kernel's machine code."""
    held = LoadedCode(MachineCode.decode(code.encode()))
    return lambda function, *args: held.functions[f"test_entries.{function.__name__}"](*args)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_results_are_those_of_the_function(loaded: Any, function: Any) -> None:
    arguments = CALLS[function]
    expected = function(*arguments)
    found = loaded(function, *arguments)
    assert found == expected
    assert type(found) is type(expected) or isinstance(expected, np.generic)


def test_all_signs_and_sizes_of_numbers_arrive(loaded: Any) -> None:
    for count in (0, -1, 2**62, -(2**62)):
        assert loaded(add, count, 0.0, True) == float(count)
    for share in (-1.0, 0.0, 1e300, float("inf")):
        assert loaded(add, 0, share, True) == share
    assert loaded(add, np.int64(3), np.float64(0.25), np.bool_(True)) == 3.25
    assert loaded(add, 3, 2, False) == -2.0


def test_an_array_is_written_in_place(loaded: Any) -> None:
    array = np.zeros(8, np.uint8)
    assert loaded(fill, array[2:5], 254) is None
    assert array.tolist() == [0, 0, 254, 255, 0, 0, 0, 0]
    assert loaded(fill, array[:0], 7) is None


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (fill, ([1, 2, 3], 1)),
        (fill, (None, 1)),
        (fill, (np.zeros(3, np.int8), 1)),
        (fill, (np.zeros((3, 1), np.uint8), 1)),
        (fill, (np.zeros(6, np.uint8)[::2], 1)),
        (fill, (np.broadcast_to(np.uint8(1), 3), 1)),
        (fill, (np.zeros(3, np.uint8), "1")),
        (fill, (np.zeros(3, np.uint8), 1.5)),
        (fill, (np.zeros(3, np.uint8), 2**63)),
        (fill, (np.zeros(3, np.uint8),)),
        (fill, (np.zeros(3, np.uint8), 1, 1)),
        (any_above, (np.arange(4.0).astype(">f8"), 1.0)),
        (any_above, (np.zeros(33, np.uint8)[1:].view(np.float64), 1.0)),
        (any_above, (np.ma.array([1.0, 2.0]), 1.0)),
        (any_above, (np.arange(4.0), "more")),
        (add, (1, 0.5, np.ones(2, np.bool_))),
        (sizes, (ROWS, (3, 4, 5), ((1, 2), np.zeros(5, np.int64)))),
        (sizes, (ROWS, [3, 4], ((1, 2), np.zeros(5, np.int64)))),
        (sizes, (ROWS, PAIR, ((1, 2), np.zeros(5, np.int32)))),
    ],
)
def test_arguments_of_other_types_are_refused_and_nothing_is_done(
    loaded: Any, function: Any, arguments: tuple[Any, ...]
) -> None:
    before = deepcopy(arguments)
    assert loaded(function, *arguments) is NotImplemented
    assert repr(arguments) == repr(before)


def test_dividing_by_zero_gives_infinity(loaded: Any) -> None:
    assert loaded(divide, 1, 0) == float("inf")


def test_a_kernel_without_memory_is_a_memory_error(loaded: Any) -> None:
    for _ in range(3):
        with pytest.raises(MemoryError):
            loaded(sum_of_new, 1 << 50)
        assert loaded(sum_of_new, 3) == 0


def test_calls_leak_neither_objects_nor_memory(loaded: Any) -> None:
    array, objects = np.arange(1000, dtype=np.float32), (ROWS, PAIR, ((1, 2), np.zeros(5, np.int64)))
    for _ in range(10):
        loaded(mean_of_copy, array, 1), loaded(sizes, *objects), loaded(fill, [1], 1)
    gc.collect()
    before = sys.getrefcount(array), sys.getrefcount(PAIR), len(gc.get_objects())
    for _ in range(1000):
        loaded(mean_of_copy, array, 1), loaded(sizes, *objects), loaded(fill, [1], 1)
    gc.collect()
    after = sys.getrefcount(array), sys.getrefcount(PAIR), len(gc.get_objects())
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 100


def test_a_function_keeps_its_code_in_memory(code: MachineCode) -> None:
    function = LoadedCode(code).functions["test_entries.add"]
    gc.collect()
    assert function(*CALLS[add]) == add(*CALLS[add])


def use_of_python(array: Any) -> int:
    print(array.shape[0])
    return 0


def test_a_kernel_that_needs_numba_at_run_time_is_refused() -> None:
    kernel = njit()(use_of_python)
    kernel.dispatcher(ROWS)
    with pytest.raises(NotImplementedError, match="exist only where Numba is loaded"):
        export([kernel])


def test_a_call_with_other_types_is_compiled_by_numba(code: MachineCode) -> None:
    kernel = njit(nogil=True)(any_above)
    held = LoadedCode(code)
    vars(kernel)["_code"] = held.functions["test_entries.any_above"]
    assert kernel(np.arange(4.0), 2.5)
    assert "dispatcher" not in vars(kernel)
    assert kernel(np.arange(4.0)[::2], 1.5)
    assert len(kernel.dispatcher.signatures) == 1
