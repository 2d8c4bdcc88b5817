"""The model of a load: the machine makes one thing after the other, so that cost is service time × load.

The model's parameters are measured at the smallest load. What it predicts for larger ones is an assumption that the
measured points confirm or refute.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Clients that each ask again as soon as they have a reply.

    Attributes:
        alone: Seconds that one client waits for a reply.
        service: CPU seconds that a reply takes of all processes, divided by the number of CPUs: with enough clients, a
            reply leaves the machine this often.
    """

    alone: float
    service: float

    def wait(self, clients: int) -> float:
        """Return the seconds that each of so many clients waits: those of one, or its turn on busy CPUs."""
        return max(self.alone, clients * self.service)

    def rate(self, clients: int) -> float:
        """Return replies per second, to all clients together."""
        return clients / self.wait(clients)


@dataclass(frozen=True, slots=True)
class SharedWork:
    """Something that is made once and delivered to each client.

    Attributes:
        making: Seconds, or any other cost, of making it.
        delivering: Of delivering it once.
    """

    making: float
    delivering: float

    def each(self, clients: int) -> float:
        """Return the cost for each of so many clients."""
        return (self.making + clients * self.delivering) / clients


@dataclass(frozen=True, slots=True)
class Affine:
    """A fixed cost and one that grows with the load.

    Attributes:
        first: The cost at load 1.
        further: What each further unit of load adds.
    """

    first: float
    further: float

    def cost(self, load: int) -> float:
        """Return the cost of a load of 1 or more."""
        return self.first + (load - 1) * self.further
