"""The JSON files of the published code: selection, similarity, anchors, routing."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scope.errors import FormatError
from scope.predictions import Predictions
from scope.storage import read_json

AnchorPerformance = Mapping[str, Mapping[str, tuple[float, float]]]
"""For each anchor, (correct, USD) of each model that was run on it."""

Similarity = Mapping[str, Sequence[tuple[str, float]]]
"""For each question, its anchors and their similarity, nearest first."""


@dataclass(frozen=True, slots=True)
class SelectionPrediction:
    """One model on one question, as a selection file tells it."""

    model: str
    correctness: str
    """``yes``, ``no`` or ``unknown``."""
    cost: float
    true_correct: bool | None
    true_cost: float | None


@dataclass(frozen=True, slots=True)
class SelectedQuestion:
    """One question of a selection file; the order of its models decides ties."""

    id: str
    predictions: tuple[SelectionPrediction, ...]


Selection = Sequence[SelectedQuestion]

Parsed = TypeVar("Parsed")


def read_selection(path: Path) -> Selection:
    """Read a file of predictions, and of what really happened.

    Its form is ``{"questions": [{"question_id", "all_models": [...]}]}`` with
    ``{"model", "predicted", "ground_truth"}`` for each model.

    Raises
    ------
    FormatError
        If the file is unreadable, of another form, or without questions.
    """
    return _read(path, "a selection", lambda data: [_selected(q) for q in data["questions"]])


def read_similarity(path: Path) -> Similarity:
    """Read ``[{"router_id", "similar_anchors": [{"anchor_id", "similarity"}]}]``.

    Raises
    ------
    FormatError
        If the file is unreadable or of another form.
    """
    return _read(
        path,
        "a similarity",
        lambda data: {
            row["router_id"]: [
                (a["anchor_id"], float(a["similarity"])) for a in row["similar_anchors"]
            ]
            for row in data
        },
    )


def read_anchor_performance(path: Path) -> AnchorPerformance:
    """Read ``{anchor_id: {model: {"is_correct", "cost"}}}``.

    Raises
    ------
    FormatError
        If the file is unreadable or of another form.
    """
    return _read(
        path,
        "an anchor-performance",
        lambda data: {
            anchor: {
                model: (float(outcome["is_correct"]), float(outcome["cost"]))
                for model, outcome in outcomes.items()
            }
            for anchor, outcomes in data.items()
        },
    )


def _read(path: Path, kind: str, parse: Callable[[Any], Parsed]) -> Parsed:
    data = read_json(path)
    try:
        parsed = parse(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"{path} is not {kind} file of the reference's form: {type(error).__name__} {error}"
        ) from error
    if not parsed:
        raise FormatError(f"{path} is empty; expected at least one entry")
    return parsed


def _selected(row: Mapping[str, Any]) -> SelectedQuestion:
    models = row["all_models"]
    if not models:
        raise ValueError(f"question {row['question_id']} lists no model")
    return SelectedQuestion(str(row["question_id"]), tuple(_prediction(model) for model in models))


def _prediction(row: Mapping[str, Any]) -> SelectionPrediction:
    predicted, truth = row["predicted"], row.get("ground_truth")
    if predicted["cost"] is None:
        raise ValueError(f"{row['model']} has no predicted cost; the published policy needs one")
    return SelectionPrediction(
        model=row["model"],
        correctness=predicted["correctness"],
        cost=float(predicted["cost"]),
        true_correct=None if truth is None else truth["correctness"] == "yes",
        true_cost=None if truth is None else float(truth["cost"]),
    )


def selection_entry(
    predictions: Predictions, q: int, truth: Sequence[tuple[float, float, float]] | None
) -> dict[str, Any]:
    """Return one question of a selection file.

    Parameters
    ----------
    predictions : Predictions
    q : int
        Place of the question.
    truth : sequence of (correct, completion tokens, USD), optional
        What really happened, for each model; NaN where it was never run.

    Returns
    -------
    dict
        `correctness` says whether p is at least one half, `confidence` how sure
        of that the prediction is; unknown numbers are null, never 0.
    """
    e = predictions.estimates
    models = []
    for m, model in enumerate(predictions.models):
        p, tokens, cost = e.p_correct_qm[q, m], e.completion_tokens_qm[q, m], e.cost_usd_qm[q, m]
        predicted = {
            "correctness": "unknown" if math.isnan(p) else "yes" if p >= 0.5 else "no",
            "token_length": None if math.isnan(tokens) else round(tokens),
            "confidence": None if math.isnan(p) else max(p, 1 - p),
            "cost": None if math.isnan(cost) else cost,
            "p_correct": None if math.isnan(p) else p,
        }
        entry = {"model": model, "predicted": predicted}
        if truth is not None and not any(math.isnan(number) for number in truth[m]):
            correct, true_tokens, true_cost = truth[m]
            entry["ground_truth"] = {
                "correctness": "yes" if correct >= 0.5 else "no",
                "token_length": round(true_tokens),
                "cost": true_cost,
            }
        models.append(entry)
    return {"question_id": predictions.question_ids[q], "all_models": models}


def similarity_entry(
    question_id: str, anchors: Sequence[str], similarity: Sequence[float]
) -> dict[str, Any]:
    """Return one question of a similarity file, nearest anchor first."""
    near = zip(anchors, similarity, strict=True)
    return {
        "router_id": question_id,
        "similar_anchors": [
            {"rank": rank, "anchor_id": anchor, "similarity": round(value, 6)}
            for rank, (anchor, value) in enumerate(near, start=1)
        ],
    }


def anchor_result(
    anchor: str, model: str, correct: float, tokens: tuple[int | None, int | None]
) -> dict[str, Any]:
    """Return one entry of an ``anchor_results.json``.

    Parameters
    ----------
    anchor, model : str
    correct : float
        0 … 1; the published code knows right and wrong alone, so part credit counts from one half.
    tokens : tuple of int or None
        Of prompt and completion, None where unknown.
    """
    prompt_tokens, completion_tokens = tokens
    return {
        "id": anchor,
        "model": model,
        "is_correct": correct >= 0.5,
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
    }
