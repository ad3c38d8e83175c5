"""Commands that plugins bring: `dmengine` lists them beside its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from dmengine.jobfile import Job

COMMANDS: Final = "dmengine.commands"
"""The entry-point group; the name of an entry point is what people type, and it is called without arguments."""


class Command(Protocol):
    """A command of a plugin. It is made whenever `dmengine` starts: what it needs, it imports when it runs."""

    @property
    def about(self) -> str:
        """What it does, in a line."""
        ...

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add what it takes."""
        ...

    def run(self, options: argparse.Namespace, load_job: Callable[[Path], Job]) -> int:
        """Do it, and return the exit code.

        Args:
            options: What was typed.
            load_job: Reads a job file.

        Raises:
            DmengineError: it is shown as the other commands show theirs.
        """
        ...
