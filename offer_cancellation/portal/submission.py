"""Reads what the submission API says of a submission: its states, in one comparable form. Pure.

`state` and `substate` as Microsoft's OpenAPI export names them; other clients of the same host know
`Cancelled`, too. Times in bodies are not read: some are `0001-01-01`.
"""

import re
from dataclasses import dataclass

from offer_cancellation.text import fit

_STATE_LIMIT = 60  # characters of a raw state that are kept


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission's state and substate, as the API wrote them."""

    raw_state: str
    raw_substate: str = ""

    @property
    def raw_status(self) -> str:
        """Both, as people read them."""
        return "/".join(part for part in (self.raw_state, self.raw_substate) if part)

    @property
    def is_submitted(self) -> bool:
        """Whether it is in progress and submitted: only then it can be cancelled."""
        return (_plain(self.raw_state), _plain(self.raw_substate)) == ("inprogress", "submitted")

    @property
    def is_canceled(self) -> bool:
        """Whether it says that it was cancelled."""
        return "canceled" in self._states

    @property
    def is_draft(self) -> bool:
        """Whether it is, or is again, a draft."""
        return "indraft" in self._states

    @property
    def is_published(self) -> bool:
        """Whether it went live."""
        return "published" in self._states

    @property
    def _states(self) -> tuple[str, str]:
        return _plain(self.raw_state), _plain(self.raw_substate)


def submission_of(body: object) -> Submission | None:
    """The submission that a body describes; None when it cannot be understood."""
    if not isinstance(body, dict):
        return None

    state, substate = body.get("state"), body.get("substate")
    if not isinstance(state, str) or not state.strip():
        return None

    raw_substate = fit(substate, _STATE_LIMIT) if isinstance(substate, str) else ""

    return Submission(fit(state, _STATE_LIMIT), raw_substate)


def _plain(raw: str) -> str:
    """Lower case, without spaces, `_` and `-`, with one `l` for two."""
    return re.sub(r"[\s_-]", "", raw).lower().replace("ll", "l")
