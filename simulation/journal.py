"""What happened in a simulated world, in order, so that a failing seed can tell its story.

Entries are kept as they are and formatted only when a story is told.
"""

from dataclasses import dataclass
from datetime import timedelta

STORY_LINES = 60
READS = "reads"  # what ticks read: told in no story


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: when (virtual seconds), to whom, what, about which offer or id."""

    at: float
    actor: str
    what: str
    about: str = ""


class Journal:
    """Collects entries; those without `about` concern every request."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, at: float, actor: str, what: str, about: str = "") -> None:
        """Keeps one entry."""
        self.entries.append(Entry(at, actor, what, about))

    def story(self, abouts: frozenset[str]) -> list[str]:
        """The steps that concern these offers and ids, and what happened to the world meanwhile."""
        chosen = [e for e in self.entries if e.about in abouts]
        if not chosen:
            chosen = [e for e in self.entries if e.about != READS][-STORY_LINES:]
        else:
            first, last = chosen[0].at, chosen[-1].at
            around = [e for e in self.entries if not e.about and first - 60 <= e.at <= last]
            ordered = {id(e): place for place, e in enumerate(self.entries)}
            chosen = sorted((*chosen, *around), key=lambda e: ordered[id(e)])
        lines = [f"{_clock(e.at)}  {e.actor:<10} {e.what}" for e in chosen]
        if len(lines) <= STORY_LINES:
            return lines
        head = STORY_LINES // 3
        left_out = f"          … {len(lines) - STORY_LINES} steps …"
        return [*lines[:head], left_out, *lines[head - STORY_LINES :]]


def _clock(at: float) -> str:
    text = str(timedelta(seconds=int(at)))
    return f"{text}.{int(at * 1000) % 1000:03d}"
