"""One run of calls into a folder, which continues what earlier runs have left there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.measure.call_plan import Call
from pipelines.measure.journal import EarlierResults, Journal, check_questions, check_settings


@dataclass(frozen=True, slots=True)
class MeasureRun:
    """The calls of a run and the folder of their results.

    Attributes
    ----------
    folder : Path
        It may hold results of earlier runs.
    calls : list of Call
        All calls, also those that earlier runs have made.
    settings : mapping
        What an answer depends on besides question, arm and number of the sample.
    """

    folder: Path
    calls: list[Call]
    settings: Mapping[str, Any]

    def history(self) -> EarlierResults:
        """Return the results of earlier runs.

        Raises
        ------
        ConfigError
            If they are of other settings, or a question has changed since.
        """
        check_settings(self.folder, self.settings)
        history = EarlierResults.read(self.folder)
        check_questions(self.folder, history.rows, self.calls)
        return history

    def open_journal(self, *, fresh: bool) -> Journal:
        """Return the journal; while it is open no other run adds to it."""
        return Journal(self.folder, self.settings, fresh=fresh)
