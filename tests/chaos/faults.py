"""The faults: each does one kind of harm to a world, and ends it."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.chaos.host import Host
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


def kill(world: World, name: str, number: int, settle: bool, host: Host | None = None) -> None:
    """Kill a server, worker, loader or trainer with SIGKILL."""
    if name == "trainer":
        world.inject(_fault(world, "kill trainer"), _restarting(world, world.trainer.kill), nothing, settle=settle)
        return

    def apply() -> bool:
        return _first(world.targets(name, host or world.host), number, psutil.Process.kill)

    world.inject(_fault(world, f"kill {name}", _label(host)), apply, nothing, settle=settle)


def stop(world: World, name: str, number: int, seconds: float, settle: bool, host: Host | None = None) -> None:
    """Stop a process with SIGSTOP, and let it go on later unless it was replaced."""
    found = world.targets(name, host or world.host)
    chosen = found[number % len(found) :][:1] if found else []
    _suspend(world, f"stop {name}", chosen, seconds, settle, _label(host))


def suspend_all(world: World, seconds: float) -> None:
    """Stop all processes, as when their machine is suspended."""
    names = ("trainer", "loader", "worker", "server")
    found = [process for name in names for process in world.targets(name, world.host)]
    _suspend(world, "suspend all", found, seconds, settle=True)


def _suspend(
    world: World, kind: str, found: list[psutil.Process], seconds: float, settle: bool, label: str = ""
) -> None:
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

    world.inject(_fault(world, kind, label, f"{seconds:g} s"), apply, heal, seconds, settle)


def restart_server(world: World, settle: bool, host: Host | None = None) -> None:
    """End the server as a service manager does; the supervisor starts it again."""

    def apply() -> bool:
        return _first(world.targets("server", host or world.host), 0, psutil.Process.terminate)

    world.inject(_fault(world, "restart server", _label(host)), apply, nothing, settle=settle)


def move_server(world: World, settle: bool, host: Host | None = None) -> None:
    """Start another server, have the proxy forward to it, and end the first."""
    if host is None:
        world.heal()

    def apply() -> bool:
        world.move_server(host or world.host)
        return True

    world.inject(_fault(world, "move to another server", _label(host)), apply, nothing, settle=settle)


def disturb(world: World, kind: str, seconds: float, settle: bool, host: Host | None = None) -> None:
    """Let the proxy delay, dribble or drop what the server sends."""
    trouble, proxy = TROUBLES[kind], (host or world.host).proxy

    def apply() -> bool:
        proxy.trouble = trouble
        return True

    def heal() -> None:
        if proxy.trouble is trouble:  # not another that began since
            proxy.trouble = NONE

    world.inject(_fault(world, f"network: {kind}", _label(host), f"{seconds:g} s"), apply, heal, seconds, settle)


def refuse(world: World, seconds: float, settle: bool, host: Host | None = None) -> None:
    """Break all connections, and refuse new ones."""
    proxy = (host or world.host).proxy

    def apply() -> bool:
        proxy.refuse()
        proxy.cut()
        return True

    world.inject(_fault(world, "network: refuse", _label(host), f"{seconds:g} s"), apply, proxy.accept, seconds, settle)


def cut(world: World, settle: bool, host: Host | None = None) -> None:
    """Break all connections."""
    proxy = (host or world.host).proxy

    def apply() -> bool:
        proxy.cut()
        return True

    world.inject(_fault(world, "network: cut", _label(host)), apply, nothing, settle=settle)


def flip(world: World, place: float, bit: int, settle: bool, host: Host | None = None) -> None:
    """Flip one bit in each of a few pieces that the server sends."""
    proxy = (host or world.host).proxy

    def apply() -> bool:
        flipped = 0
        while flipped < FLIPS and proxy.flip((place + flipped * NEXT_PLACE) % 1, bit, FLIP_SECONDS):
            flipped += 1
            time.sleep(BETWEEN_FLIPS)
        return flipped > 0

    world.inject(_fault(world, "network: flip", _label(host), f"bit {bit}"), apply, nothing, settle=settle)


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
        _serve_other(world, world.host)
        world.expect_mismatch(MISMATCH_SECONDS)
        return True

    def heal() -> None:
        _serve_true(world, world.host)
        world.resume_trainer(world_size)

    world.inject(_fault(world, "replace dataset"), apply, heal)


def serve_other(world: World, seconds: float, settle: bool, host: Host) -> None:
    """Serve another dataset from one of several hosts for a while: the trainer must have no batch of it."""

    def apply() -> bool:
        _serve_other(world, host)
        return True

    def heal() -> None:
        _serve_true(world, host)

    world.inject(_fault(world, "other dataset", _label(host), f"{seconds:g} s"), apply, heal, seconds, settle)


def _serve_other(world: World, host: Host) -> None:
    host.server.stop()
    host.files.serve_other()
    world.start_server(host)


def _serve_true(world: World, host: Host) -> None:
    host.server.stop()
    host.files.serve_true()
    world.start_server(host)


def fill_disk(world: World, seconds: float) -> None:
    """Leave the server no room for files while it has to make its index again and to replace a worker."""
    world.heal()
    limited: list[psutil.Process] = []

    def apply() -> bool:
        limited.extend([*world.host.targets("server"), *world.host.targets("worker")])
        for process in limited:
            _limit_files(process, 0)
        shutil.rmtree(world.host.server.cache / "indexes", ignore_errors=True)
        return _first(world.host.targets("worker"), 0, psutil.Process.kill)

    def heal() -> None:
        for process in limited:
            _limit_files(process, psutil.RLIM_INFINITY)

    world.inject(_fault(world, "full disk", f"{seconds:g} s"), apply, heal, seconds)


def _limit_files(process: psutil.Process, size: int) -> None:
    """Limit the size of files that a process writes, as far as it is still there."""
    with suppress(psutil.NoSuchProcess):
        process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))


def _fault(world: World, kind: str, *details: str) -> Fault:
    return Fault(kind, ", ".join(detail for detail in details if detail), world.ledger.next_step)


def _label(host: Host | None) -> str:
    return "" if host is None else host.label


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
