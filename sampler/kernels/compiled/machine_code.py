"""Machine code of the kernels: loaded into this process without Numba, as functions of Python.

Each kernel's code has an entry that `sampler.kernels.compiled.entries` writes: a function of Python's C interface. It
takes the kernel's arguments, and returns its result, or `NotImplemented` if they are of other types than the code was
compiled for.
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
from llvmlite import binding as llvm

from sampler.errors import CacheError

NDARRAY, OTHER_TYPES = "saccade_ndarray", "saccade_other_types"
"""Symbols that the code takes from this process: the type `numpy.ndarray`, and `NotImplemented`."""

_FASTCALL = 0x80
"""Python's METH_FASTCALL: arguments come as an array."""

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class MachineCode:
    """An object file in the system's format, and the symbols of its entries by kernel."""

    object_file: bytes
    entries: Mapping[str, str]

    def encode(self) -> bytes:
        """Return the code as bytes."""
        packed: bytes = msgpack.packb((self.object_file, dict(self.entries)))
        return packed

    @classmethod
    def decode(cls, data: bytes) -> "MachineCode":
        """Return the code that `encode` gave."""
        return cls(*msgpack.unpackb(data))


class _MethodDefinition(ctypes.Structure):
    """Python's `PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


def define_symbols() -> None:
    """Tell LLVM where in this process the objects are that the code refers to."""
    llvm.add_symbol(NDARRAY, id(np.ndarray))
    llvm.add_symbol(OTHER_TYPES, id(NotImplemented))


class LoadedCode:
    """Machine code in the memory of this process.

    Attributes:
        functions: The entries by kernel. Each keeps the code in memory as long as it exists.
    """

    def __init__(self, code: MachineCode) -> None:
        """Load and link the code. Raises `CacheError` if it lacks an entry."""
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        define_symbols()
        machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
        self._engine.finalize_object()
        self.functions = {name: self._function(name, symbol) for name, symbol in code.entries.items()}

    def _function(self, name: str, symbol: str) -> Function:
        address = self._engine.get_function_address(symbol)
        if not address:
            raise CacheError(f"compiled code has no function {symbol}")
        definition = _MethodDefinition(name.encode(), address, _FASTCALL, None)
        make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
            ("PyCFunction_NewEx", ctypes.pythonapi)
        )
        owner = self._engine, definition  # what the function refers to; it holds its owner
        function: Function = make(ctypes.addressof(definition), owner, None)
        return function
