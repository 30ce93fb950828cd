"""`trueup verify`: proves a run from the data."""

from __future__ import annotations

import click

from trueup.cli.common import Command, config_flags, config_option, read_config, run_argument, show, store_option
from trueup.cli.next_steps import after_verify


@click.command(cls=Command, epilog="trueup verify last")
@run_argument
@config_option
@store_option
def verify(run_id: str, path: str | None, store: str) -> int:
    """Prove from the data that a run did what its journal says, and look for what is still broken.

    RUN may be 'last', or the beginning of a run's name.
    """
    config = read_config(path, store)
    from trueup.cli.progress import ProgressBar
    from trueup.reports.text.runs import verification_report
    from trueup.verbs import verify as verb

    with ProgressBar() as progress:
        found = verb.verify(config, run_id, progress=progress)
    following = after_verify(found, config_flags(path, store))
    show(verification_report(found, next_steps=following))
    return 3 if found.sound and found.untold else 1 if following else 0
