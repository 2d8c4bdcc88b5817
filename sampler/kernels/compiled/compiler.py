"""The program that the code cache runs: compiles all kernels in a separate process.

Its reply is a pair: the code and nothing, or nothing and the reason why there is none.
"""

import importlib

import msgpack

from sampler.ipc.child_process import exit_with_parent, run_child
from sampler.ipc.frames import FrameSocket


def serve(parent: FrameSocket) -> None:
    """Send the code of all kernels to the parent."""
    with exit_with_parent():  # in the middle of compiling: nothing waits for the code any more
        reply = _compile()
    parent.send(msgpack.packb(reply))


def _compile() -> tuple[bytes | None, str]:
    try:
        # Imported here because it uses parts of Numba that another version may lack.
        build = importlib.import_module("sampler.kernels.compiled.build")
        return build.compile_all().encode(), ""
    except Exception as error:  # noqa: BLE001 - sent to the parent
        return None, repr(error)


if __name__ == "__main__":
    run_child(serve)
