"""The faults: each does one kind of harm to a world, and ends it."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.chaos.proxy import NONE, Trouble
from tests.chaos.timeline import Fault
from tests.chaos.trainer import states_folder
from tests.chaos.world import STEPS_AFTER, World, resume

MISMATCH_SECONDS = 60.0
"""Time for a trainer to notice that another dataset is served."""

FLIP_SECONDS = 5.0
"""Time for the server to send something that a bit can be flipped in."""

FLIPS = 3
"""Pieces, because one alone may hit no pixels, or a batch that the trainer never takes."""

NEXT_PLACE = 0.38
"""From the place of a flip in its piece to that of the next: some hit the framing, some pixels."""

BETWEEN_FLIPS = 0.1
"""Seconds between flips, so that one document is not damaged together with the digest in its head."""

TROUBLES = {"delay": Trouble(delay=0.3), "dribble": Trouble(dribble=True), "drop": Trouble(drop=True)}


def nothing() -> None:
    """There is nothing to end."""


def kill(world: World, name: str, number: int, settle: bool) -> None:
    """Kill a server, worker, loader or trainer with SIGKILL."""
    if name == "trainer":
        world.inject(_fault(world, "kill trainer"), _restarting(world, world.trainer.kill), nothing, settle=settle)
        return

    def apply() -> bool:
        return _first(world.targets(name), number, psutil.Process.kill)

    world.inject(_fault(world, f"kill {name}"), apply, nothing, settle=settle)


def stop(world: World, name: str, number: int, seconds: float, settle: bool) -> None:
    """Stop a process with SIGSTOP, and let it go on later unless it was replaced."""
    found = world.targets(name)
    _suspend(world, f"stop {name}", found[number % len(found) :][:1] if found else [], seconds, settle)


def suspend_all(world: World, seconds: float) -> None:
    """Stop all processes, as when their machine is suspended."""
    found = [process for name in ("trainer", "loader", "worker", "server") for process in world.targets(name)]
    _suspend(world, "suspend all", found, seconds, settle=True)


def _suspend(world: World, kind: str, found: list[psutil.Process], seconds: float, settle: bool) -> None:
    stopped: list[psutil.Process] = []

    def apply() -> bool:
        for process in found:
            with suppress(psutil.NoSuchProcess):  # it has just ended
                process.suspend()
                stopped.append(process)
        return bool(stopped)

    def heal() -> None:
        for process in stopped:
            resume(process)

    world.inject(_fault(world, kind, f"{seconds:g} s"), apply, heal, seconds, settle)


def restart_server(world: World, settle: bool) -> None:
    """End the server as a service manager does; the supervisor starts it again."""

    def apply() -> bool:
        return _first(world.targets("server"), 0, psutil.Process.terminate)

    world.inject(_fault(world, "restart server"), apply, nothing, settle=settle)


def move_server(world: World, settle: bool) -> None:
    """Start another server, have the proxy forward to it, and end the first."""
    world.heal()

    def apply() -> bool:
        world.move_server()
        return True

    world.inject(_fault(world, "move to another server"), apply, nothing, settle=settle)


def disturb(world: World, kind: str, seconds: float, settle: bool) -> None:
    """Let the proxy delay, dribble or drop what the server sends."""
    trouble = TROUBLES[kind]

    def apply() -> bool:
        world.proxy.trouble = trouble
        return True

    def heal() -> None:
        if world.proxy.trouble is trouble:  # not another that began since
            world.proxy.trouble = NONE

    world.inject(_fault(world, f"network: {kind}", f"{seconds:g} s"), apply, heal, seconds, settle)


def refuse(world: World, seconds: float, settle: bool) -> None:
    """Break all connections, and refuse new ones."""

    def apply() -> bool:
        world.proxy.refuse()
        world.proxy.cut()
        return True

    world.inject(_fault(world, "network: refuse", f"{seconds:g} s"), apply, world.proxy.accept, seconds, settle)


def cut(world: World, settle: bool) -> None:
    """Break all connections."""

    def apply() -> bool:
        world.proxy.cut()
        return True

    world.inject(_fault(world, "network: cut"), apply, nothing, settle=settle)


def flip(world: World, place: float, bit: int, settle: bool) -> None:
    """Flip one bit in each of a few pieces that the server sends."""

    def apply() -> bool:
        flipped = 0
        while flipped < FLIPS and world.proxy.flip((place + flipped * NEXT_PLACE) % 1, bit, FLIP_SECONDS):
            flipped += 1
            time.sleep(BETWEEN_FLIPS)
        return flipped > 0

    world.inject(_fault(world, "network: flip", f"bit {bit}"), apply, nothing, settle=settle)


def preempt(world: World, world_size: int, pause: float) -> None:
    """Have the trainer save its state and exit, and start it with another world size."""
    detail = f"{world.trainer.run.world_size} → {world_size} ranks"
    apply = _restarting(world, world.trainer.preempt, world_size, pause)
    world.inject(_fault(world, "change world size", detail), apply, nothing)


def load_old_state(world: World, age: float) -> None:
    """Kill the trainer, and start it at an old state. age: 0 for the newest, 1 for the oldest."""
    states = sorted(states_folder(world.folder).glob("0*"))

    def apply() -> bool:
        if not states:
            return False
        world.trainer.kill()
        run = world.trainer.run
        world.start_trainer(run.world_size, run.pause, states[int((1 - age) * (len(states) - 1))])
        return True

    world.inject(_fault(world, "load old state"), apply, nothing)


def replace_dataset(world: World, world_size: int) -> None:
    """Serve another dataset for a while: the trainer must end with a DigestMismatchError, and have no batch of it."""
    world.heal()
    world.wait_for_steps(STEPS_AFTER)  # so that it has seen the digest

    def apply() -> bool:
        world.server.stop()
        world.files.serve_other()
        world.start_server()
        world.expect_mismatch(MISMATCH_SECONDS)
        return True

    def heal() -> None:
        world.server.stop()
        world.files.serve_true()
        world.start_server()
        world.resume_trainer(world_size)

    world.inject(_fault(world, "replace dataset"), apply, heal)


def fill_disk(world: World, seconds: float) -> None:
    """Leave the server no room for files while it has to make its index again and to replace a worker."""
    world.heal()
    limited: list[psutil.Process] = []

    def apply() -> bool:
        limited.extend([*world.targets("server"), *world.targets("worker")])
        for process in limited:
            _limit_files(process, 0)
        shutil.rmtree(world.server.cache / "indexes", ignore_errors=True)
        return _first(world.targets("worker"), 0, psutil.Process.kill)

    def heal() -> None:
        for process in limited:
            _limit_files(process, psutil.RLIM_INFINITY)

    world.inject(_fault(world, "full disk", f"{seconds:g} s"), apply, heal, seconds)


def _limit_files(process: psutil.Process, size: int) -> None:
    """Limit the size of files that a process writes, as far as it is still there."""
    with suppress(psutil.NoSuchProcess):
        process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))


def _fault(world: World, kind: str, detail: str = "") -> Fault:
    return Fault(kind, detail, world.ledger.next_step)


def _first(found: list[psutil.Process], number: int, act: Callable[[psutil.Process], object]) -> bool:
    """Do something to one of the processes; return whether there was one."""
    with suppress(psutil.NoSuchProcess, IndexError, ZeroDivisionError):
        act(found[number % len(found)])
        return True
    return False


def _restarting(
    world: World, end: Callable[[], None], world_size: int | None = None, pause: float | None = None
) -> Callable[[], bool]:
    """Return a function that ends the trainer and starts its next life."""

    def apply() -> bool:
        end()
        world.resume_trainer(world_size, pause)
        return True

    return apply
