"""Pickling and copying objects as the arguments that they were made with."""

import pickle
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from client.errors import ClientError

MadeT = TypeVar("MadeT")


class PickledAsArguments:
    """An object that pickles, and is copied, as the keyword arguments it was made with.

    A copy is a new object: it opens its own connections, in whichever process it is in. Subclasses set `_arguments`.
    """

    _arguments: Mapping[str, Any]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Raises `ClientError` if an argument, such as a transport, cannot be pickled."""
        for name, value in self._arguments.items():
            try:
                pickle.dumps(value)
            except Exception as error:
                kind = type(self).__name__
                raise ClientError(
                    f"{kind}(…, {name}={value!r}) cannot be pickled: {error}: make a new {kind} in each process"
                ) from error
        return _make, (type(self), dict(self._arguments))


def _make(kind: Callable[..., MadeT], arguments: Mapping[str, Any]) -> MadeT:
    return kind(**arguments)
