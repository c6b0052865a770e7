"""Shows the demo: a live table on a terminal, plain lines anywhere else."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.demo.progress import Progress

_STYLES = {
    "canceled": "green",
    "failed": "red",
    "rejected": "red",
    "expired": "red",
    "queued": "dim",
}


class View(Protocol):
    """Shows the progress as often as it is told to."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, progress: Sequence[Progress]) -> None:
        """Show how far everything is."""


def open_view(console: Console) -> View:
    """Choose by what the output goes to."""
    return TableView(console) if console.is_terminal else LineView(console)


class TableView:
    """One table, drawn again in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="visible")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, progress: Sequence[Progress]) -> None:
        """Draw the table again."""
        self._live.update(_table(progress), refresh=True)


class LineView:
    """A line whenever something about a request has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[str, int, int, bool]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def show(self, progress: Sequence[Progress]) -> None:
        """Print what has changed."""
        for one in progress:
            now = (one.status, one.posts, one.polls, one.ended)
            if self._shown.get(one.scenario.name) == now:
                continue

            self._shown[one.scenario.name] = now
            self._console.print(
                f"{one.elapsed_seconds:5.1f} s  {one.scenario.name:<22} {one.status:<11} "
                f"calls={one.posts} polls={one.polls} {_verdict(one)}".rstrip(),
                markup=False,
                soft_wrap=True,
            )


def _table(progress: Sequence[Progress]) -> Table:
    table = Table(box=SIMPLE, expand=True, pad_edge=False, padding=(0, 1, 0, 0))
    # Everything but what the API does has its width; that takes what the terminal leaves.
    table.add_column("request", no_wrap=True, min_width=20)
    table.add_column("what the API does", no_wrap=True, ratio=1)
    table.add_column("status", no_wrap=True, min_width=10)
    table.add_column("calls", justify="right", no_wrap=True, min_width=5)
    table.add_column("polls", justify="right", no_wrap=True, min_width=5)
    table.add_column("elapsed", justify="right", no_wrap=True, min_width=7)
    table.add_column("", no_wrap=True, min_width=1)
    for one in progress:
        style = _STYLES.get(one.status, "yellow")
        table.add_row(
            one.scenario.name,
            one.scenario.does,
            f"[{style}]{one.status}[/]",
            str(one.posts),
            str(one.polls),
            f"{one.elapsed_seconds:.1f} s",
            _verdict(one),
        )

    return table


def _verdict(one: Progress) -> str:
    if not one.ended:
        return ""

    return "✗" if one.differences() else "✓"
