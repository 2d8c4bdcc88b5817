"""What a server prints when it is ready: its page, and how a training node uses it."""

import socket
from dataclasses import dataclass

ALL_ADDRESSES = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Announcement:
    """The facts that a client needs."""

    address: str  # that the server is bound to
    port: int
    tls: bool = False
    token: bool = False
    root_path: str = ""

    @property
    def page(self) -> str:
        """URL of the explorer, for a browser on this machine."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)
        return self._url(here) + "/"

    @property
    def url(self) -> str:
        """URL for training nodes."""
        return self._url(socket.gethostname() if self.address in ALL_ADDRESSES else self.address)

    def text(self) -> str:
        """Return the lines to print. They never include a token."""
        ca = ', ca="ca.pem"' if self.tls else ""
        lines = [
            f"Serving at {self.page} (samples to browse; /status has what limits training; Ctrl-C stops the server). "
            "On a training node:",
            "",
            "    from saccade_sampler import loader",
            "",
            f'    with loader("{self.url}", seed=7, batch_size=48{ca}) as batches:',
            "        for batch in batches:",
            "            ...",
            "",
        ]
        if self.tls:
            lines.append(
                "ca: PEM file of the CA that signed the certificate; leave it out if the system trusts the CA."
            )
        if self.token:
            lines.append("The training node needs the token: set SAMPLER_TOKEN or SAMPLER_TOKEN_FILE there.")
        return "\n".join(lines)

    def _url(self, host: str) -> str:
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{shown}:{self.port}{self.root_path}"
