"""Questions of Hugging Face data sets; the only module that imports ``datasets``."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scope.errors import QuestionError, join_names
from scope.question_rows import SourceRow

PUBLISHED_DATASETS = {"id": "Cooolder/SCOPE-60K-final", "ood": "Cooolder/SCOPE-60K-OOD-final"}
"""The data sets of the published method, with splits ``anchor`` and ``test``."""


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set that the hub, or a folder laid out like one, holds."""

    name: str
    """``id``, ``ood``, ``owner/name`` or a folder."""
    split: str | None = None
    """May be None where there is only one."""

    def __str__(self) -> str:
        return f"data set {self.name}" + ("" if self.split is None else f", split {self.split}")

    def rows(self) -> Iterator[SourceRow]:
        """Yield every row, streamed: no copy of the data set is made.

        Raises
        ------
        QuestionError
            If there is no such data set or split, or it cannot be reached.
        """
        if Path(self.name).is_file():
            raise QuestionError(
                f"{self.name} is a file; expected id, ood, owner/name or a folder as data set"
            )
        try:
            for number, row in enumerate(self._stream(), start=1):
                yield SourceRow(str(self), f"row {number}", row)
        except QuestionError:
            raise
        except Exception as error:  # the library's own, its HTTP client's, its file readers'
            raise QuestionError(f"{self} cannot be read: {_one_line(error)}") from error

    def _stream(self) -> Iterator[object]:
        from datasets import disable_progress_bars, load_dataset

        disable_progress_bars()
        # Its retries are no news: if the last one fails, the error says so.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        splits = load_dataset(PUBLISHED_DATASETS.get(self.name, self.name), streaming=True)
        names = list(splits)
        if self.split is None and len(names) == 1:
            return iter(splits[names[0]])
        if self.split not in names:
            asked = "no split was named" if self.split is None else f"no split {self.split!r}"
            raise QuestionError(
                f"data set {self.name}: {asked}; it has {join_names(sorted(names))}"
            )
        return iter(splits[self.split])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
