"""Numba's decorators, applied only when something must be compiled.

Importing Numba takes most of a second and 70 MB, which processes save whose kernels come from the code cache. Use these
names in place of Numba's: `njit` and `intrinsic`, and in the bodies of intrinsics `types` and `cgutils`.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from sampler.kernels.compiled.code_cache import CODE
from sampler.kernels.compiled.machine_code import Function
from sampler.undisturbed import import_undisturbed, undisturbed


class Kernel:
    """A function that runs as machine code: from the code cache, or compiled by Numba in this process.

    Numba compiles it for types of arguments that the code cache does not have.
    """

    def __init__(self, function: Function, options: dict[str, Any]) -> None:
        self.function = function
        self.options = options
        self._compiled = False
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

    def __call__(self, *args: Any) -> Any:
        """Run the function."""
        result = NotImplemented if self._code is None else self._code(*args)
        return self._call_numba(*args) if result is NotImplemented else result

    @cached_property
    def _code(self) -> Function | None:
        return CODE.functions().get(self.name)

    @cached_property
    def dispatcher(self) -> Any:
        """Numba's function, which compiles for the types that it is called with."""
        return import_undisturbed("numba").njit(**self.options)(self.function)

    @property
    def _numba_type_(self) -> Any:
        """Asked for by Numba where a compiled function calls this one."""
        return self.dispatcher._numba_type_

    def _call_numba(self, *args: Any) -> Any:
        if not self._compiled:
            # Only compiled: running it would go on writing to the arguments after an interrupt.
            undisturbed(partial(self._compile, args))
            self._compiled = True
        return self.dispatcher(*args)

    def _compile(self, args: tuple[Any, ...]) -> None:
        if hasattr(self.dispatcher, "compile"):  # not with NUMBA_DISABLE_JIT
            self.dispatcher.compile(tuple(map(self.dispatcher.typeof_pyval, args)))


class Intrinsic:
    """An instruction in compiled code."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        """Only compiled code can do this."""
        raise NotImplementedError(f"{self._function.__name__} is an instruction of compiled code")

    @cached_property
    def _numba_type_(self) -> Any:
        """Asked for by Numba where a compiled function uses this instruction."""
        made = import_undisturbed("numba.extending").intrinsic(self._function)
        typing = import_undisturbed("numba.core.registry").cpu_target.typing_context
        typing.refresh()
        return typing.resolve_value_type(made)


class _Module:
    """A module that is imported when one of its names is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_undisturbed(self._name), name)


types = _Module("numba.core.types")
cgutils = _Module("numba.core.cgutils")


def njit(**options: Any) -> Callable[[Function], Any]:
    """Return a decorator for functions that Numba can compile. Dividing by zero gives what it gives in NumPy.

    options: of Numba's `njit`.
    """
    return lambda function: Kernel(function, options | {"error_model": "numpy"})


def intrinsic(function: Function) -> Any:
    """Return an instruction, which a function describes as for Numba's `intrinsic`."""
    return Intrinsic(function)
