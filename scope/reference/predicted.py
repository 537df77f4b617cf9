"""Stored predictions in the published code's form: ``selection.json`` and ``similarity.json``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scope.reference.formats import selection_entry, similarity_entry
from scope.routing import PredictionSet, StoredPredictions
from scope.storage import atomic_file, stream_json_array

SELECTION = "selection.json"
SIMILARITY = "similarity.json"


def write_reference_files(output: Path, advance: Callable[[int], None] | None = None) -> None:
    """Write the two files beside ``predictions/`` of the output folder of a run.

    Questions are read shard by shard, so that memory does not grow with their number.

    Parameters
    ----------
    output : Path
    advance : callable, optional
        Receives the number of questions of each shard that was written.

    Raises
    ------
    PredictionsError
        If there are no predictions, a file was altered, or they lack the nearest anchors.
    """
    stored = StoredPredictions.open(output)
    method = "scope" if stored.manifest.reasoner else "scope-anchors"
    opening = f'{{"method": "{method}", "questions": ['
    with (
        _open_json_array(output / SELECTION, opening, "]}") as add_selection,
        _open_json_array(output / SIMILARITY, "[", "]") as add_similarity,
    ):
        for neighbours, shard in zip(stored.iter_neighbours(), stored.iter_shards(), strict=True):
            outcomes_q = _outcomes(shard)
            for q, near in enumerate(neighbours):
                truth = outcomes_q[q] if outcomes_q else None
                add_selection(selection_entry(shard.predictions, q, truth))
                add_similarity(
                    similarity_entry(near["question_id"], near["anchor_id"], near["similarity"])
                )
            if advance is not None:
                advance(len(neighbours))


def remove_reference_files(output: Path) -> None:
    """Remove the two files, which would not be those of new predictions."""
    for name in (SELECTION, SIMILARITY):
        (output / name).unlink(missing_ok=True)


def _outcomes(shard: PredictionSet) -> list[list[tuple[float, float, float]]] | None:
    """Return (correct, completion tokens, USD) by question and model; None without outcomes."""
    truth = shard.truth()
    if truth is None or shard.outcomes is None:
        return None
    grids = (truth.correct_qm, shard.outcomes.completion_tokens_am, truth.cost_usd_qm)
    by_question = zip(*(grid.tolist() for grid in grids), strict=True)
    return [list(zip(*by_model, strict=True)) for by_model in by_question]


@contextmanager
def _open_json_array(path: Path, opening: str, closing: str) -> Iterator[Callable[[object], None]]:
    with atomic_file(path) as draft, stream_json_array(draft, opening, closing) as append:
        yield append
