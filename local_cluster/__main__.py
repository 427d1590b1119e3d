"""`make cluster`: runs the platform on this machine until it is interrupted."""

import signal
from typing import NoReturn

from constructs_lib.node import prepare_jsii

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(*_: object) -> NoReturn:
    """Interrupt once; ignore signals during the cleanup."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    prepare_jsii()
    # these imports take a second and may also be interrupted
    import typer

    from local_cluster.interactive import cluster

    typer.run(cluster)


if __name__ == "__main__":
    main()
