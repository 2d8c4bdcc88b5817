"""What is shared out among requests: bytes for samples made ahead of what clients have taken, and places."""


class Budget:
    """Keeps count of the bytes that are lent for samples made ahead, of a total that all requests share.

    It lends nothing itself: what bounds the memory is the arena, and each request's share of it the run source.
    """

    def __init__(self, total: int) -> None:
        """Start with `total` bytes."""
        self.total = total
        self.free = total

    def take(self, amount: int) -> bool:
        """Take `amount` bytes if there are as many; say whether there were."""
        if amount > self.free:
            return False
        self.free -= amount
        return True

    def give(self, amount: int) -> None:
        """Give back what was taken."""
        self.free += amount


class Gate:
    """Admits a bounded number of requests at once."""

    def __init__(self, places: int) -> None:
        """Admit `places` at once."""
        self.places = places
        self.taken = 0

    def enter(self) -> bool:
        """Take a place if there is one; say whether there was."""
        if self.taken >= self.places:
            return False
        self.taken += 1
        return True

    def leave(self) -> None:
        """Give the place back."""
        self.taken -= 1
