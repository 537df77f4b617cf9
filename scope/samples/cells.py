"""Collect samples row by row into arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scope.arrays import FloatArray
from scope.errors import FormatError
from scope.samples.samples import Samples


@dataclass(frozen=True, slots=True)
class Cell:
    """Samples of one model on one prompt; None where a value is unknown."""

    responses: Sequence[str] | None = None
    scores: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    prompt_tokens: float | None = None
    completion_tokens: Sequence[float | None] = ()
    n_failed: int = 0

    def check(self, location: str) -> None:
        """Raise `FormatError` if two lists of a sample's values have different lengths."""
        lengths = {f"{name} scores": len(values) for name, values in self.scores.items()}
        if self.responses is not None:
            lengths["responses"] = len(self.responses)
        if self.completion_tokens:
            lengths["token counts"] = len(self.completion_tokens)
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{n} {name}" for name, n in lengths.items())
            raise FormatError(f"{location} has {found}; expected one of each a sample")

    def __len__(self) -> int:
        lists = (self.responses or (), self.completion_tokens, *self.scores.values())
        return max(map(len, lists))


class SamplesBuilder:
    """Prompts and their cells, in the order in which they come."""

    def __init__(self) -> None:
        self._prompts: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._cells: list[dict[str, Cell]] = []

    def add(self, question_id: str, prompt: str, cells: dict[str, Cell], location: str) -> None:
        """Add one prompt.

        Raises
        ------
        FormatError
            If the id was there before.
        """
        if question_id in self._places:
            raise FormatError(
                f"{location} repeats id {question_id!r} of {self._places[question_id]}; "
                "samples are joined by id, which must be unique"
            )
        for model, cell in cells.items():
            cell.check(f"{location}: model {model!r}")
        self._places[question_id] = location
        self._prompts[question_id] = prompt
        self._cells.append(cells)

    def build(self) -> Samples:
        """Return all samples."""
        models = tuple(dict.fromkeys(model for cells in self._cells for model in cells))
        column = {model: m for m, model in enumerate(models)}
        every = [cell for cells in self._cells for cell in cells.values()]
        shape = (len(self._cells), len(models), max(map(len, every), default=0))
        scorers = dict.fromkeys(scorer for cell in every for scorer in cell.scores)
        scores = {scorer: np.full(shape, np.nan) for scorer in scorers}
        prompt_qm, completion_qmo = np.full(shape[:2], np.nan), np.full(shape, np.nan)
        failed_qm = np.zeros(shape[:2])
        for q, cells in enumerate(self._cells):
            for model, cell in cells.items():
                m = column[model]
                for scorer, values in cell.scores.items():
                    _fill(scores[scorer][q, m], values)
                _fill(completion_qmo[q, m], cell.completion_tokens)
                prompt_qm[q, m] = np.nan if cell.prompt_tokens is None else cell.prompt_tokens
                failed_qm[q, m] = cell.n_failed
        return Samples(
            ids=tuple(self._prompts),
            prompts=tuple(self._prompts.values()),
            models=models,
            scores=scores,
            prompt_tokens_qm=prompt_qm,
            completion_tokens_qmo=completion_qmo,
            responses_qm=self._responses(models, every),
            n_failed_qm=failed_qm if failed_qm.any() else None,
        )

    def _responses(
        self, models: Sequence[str], every: Sequence[Cell]
    ) -> tuple[tuple[tuple[str, ...], ...], ...] | None:
        if all(cell.responses is None for cell in every):
            return None
        empty = Cell()
        return tuple(
            tuple(tuple(cells.get(model, empty).responses or ()) for model in models)
            for cells in self._cells
        )


def _fill(target_o: FloatArray, values: Sequence[float | None]) -> None:
    target_o[: len(values)] = np.array(values, dtype=np.float64)
