"""`python -m service`: the command `serve`."""

from service.interrupts import ends_at_once


def main() -> None:
    """Run the server."""
    with ends_at_once():
        from service.server.command import program  # here, so that Ctrl-C during its imports gives no traceback

        program()


if __name__ == "__main__":
    main()
