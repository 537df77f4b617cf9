"""The inputs of the published code: selection, similarity and the outcomes of anchors."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scope.errors import FormatError, UnknownPriceError
from scope.outcomes import Outcomes
from scope.pool import PUBLISHED_MODELS, ModelSpec, cost_usd
from scope.predictions import Predictions
from scope.storage import read_json

AnchorPerformance = Mapping[str, Mapping[str, tuple[float, float]]]
"""Anchor -> model -> (1 or 0 for correct, USD); models that were never run on it are absent."""

Similarity = Mapping[str, Sequence[tuple[str, float]]]
"""Question -> its anchors with their cosine similarity, nearest first."""

METHOD = "SCOPE"
"""Method of a selection file that names none."""

SHORT_NAMES = {
    "gemma-3-12b-it": "gemma-3-12b",
    "gemma-3-27b-it": "gemma-3-27b",
    "gemma-3-4b-it": "gemma-3-4b",
    "llama-3.1-8b-instruct": "llama-3-1-8b",
    "llama-3.3-70b-instruct": "llama-3-3-70b",
}
"""Names of the published data sets, where they are not the last part of OpenRouter's id."""


@dataclass(frozen=True, slots=True)
class SelectionPrediction:
    """One model on one question of a selection file: prediction and outcome."""

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


@dataclass(frozen=True, slots=True)
class Selection:
    """The content of a selection file."""

    questions: Sequence[SelectedQuestion]
    method: str = METHOD
    """What made the predictions."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all models, in the order of their first prediction."""
        return tuple(
            dict.fromkeys(p.model for question in self.questions for p in question.predictions)
        )


Parsed = TypeVar("Parsed")


def read_selection(path: Path) -> Selection:
    """Read a file of predictions and, where known, outcomes.

    Its form is ``{"method", "questions": [{"question_id", "all_models": [...]}]}`` with
    ``{"model", "predicted", "ground_truth"}`` for each model.

    Raises
    ------
    FormatError
        If the file is unreadable, of another form, or without questions.
    """
    selection = _read(path, "a selection", _selection)
    if not selection.questions:
        raise FormatError(f"{path} is empty; expected at least one question")
    return selection


def read_similarity(path: Path) -> Similarity:
    """Read ``[{"router_id", "similar_anchors": [{"anchor_id", "similarity"}]}]``.

    Raises
    ------
    FormatError
        If the file is unreadable or of another form.
    """
    return _read_filled(
        path,
        "a similarity",
        lambda data: {
            row["router_id"]: [
                (_text(a["anchor_id"]), _finite(a["similarity"])) for a in row["similar_anchors"]
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
    return _read_filled(
        path,
        "an anchor-performance",
        lambda data: {
            anchor: {
                model: (_finite(outcome["is_correct"]), _finite(outcome["cost"]))
                for model, outcome in outcomes.items()
            }
            for anchor, outcomes in data.items()
        },
    )


MAX_NUMBER = 1e12
"""Bound of the numbers in a published file: similarities, grades and USD."""


def _read(path: Path, kind: str, parse: Callable[[Any], Parsed]) -> Parsed:
    data = read_json(path)
    try:
        return parse(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"{path} is not {kind} file of the published form: {type(error).__name__} {error}"
        ) from error


def _read_filled(path: Path, kind: str, parse: Callable[[Any], Parsed]) -> Parsed:
    parsed = _read(path, kind, parse)
    if not parsed:
        raise FormatError(f"{path} is empty; expected at least one entry")
    return parsed


def _selection(data: Mapping[str, Any]) -> Selection:
    questions = tuple(_selected(row) for row in data["questions"])
    return Selection(questions, str(data.get("method", METHOD)))


def _selected(row: Mapping[str, Any]) -> SelectedQuestion:
    models = row["all_models"]
    if not models:
        raise ValueError(f"question {row['question_id']} lists no model")
    return SelectedQuestion(str(row["question_id"]), tuple(_prediction(model) for model in models))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _finite(value: object) -> float:
    """Return a number of which powers and sums are finite, too."""
    if not isinstance(value, int | float) or not abs(value) < MAX_NUMBER:
        raise TypeError(f"{value!r:.40} is no number below {MAX_NUMBER:g}")
    return float(value)


def _prediction(row: Mapping[str, Any]) -> SelectionPrediction:
    predicted, truth = row["predicted"], row.get("ground_truth")
    if predicted["cost"] is None:
        raise ValueError(f"{row['model']} has no predicted cost; the published policy needs one")
    return SelectionPrediction(
        model=_text(row["model"]),
        correctness=_text(predicted["correctness"]),
        cost=_finite(predicted["cost"]),
        true_correct=None if truth is None else truth["correctness"] == "yes",
        true_cost=None if truth is None else _finite(truth["cost"]),
    )


def anchor_performance_from_outcomes(
    ids: Sequence[str], models: Sequence[ModelSpec], outcomes: Outcomes
) -> AnchorPerformance:
    """Return the outcomes of a bank's anchors, priced.

    The published code knows right and wrong alone: part credit counts as right from one half.

    Parameters
    ----------
    ids : sequence of str
        The anchors, in the order of the rows of `outcomes`.
    models : sequence of ModelSpec
        In the order of the columns of `outcomes`.
    outcomes : Outcomes
    """
    usd_am = cost_usd(models, outcomes.prompt_tokens_am, outcomes.completion_tokens_am)
    known_am = ~np.isnan(outcomes.correct_am + usd_am)
    right_am = outcomes.correct_am >= 0.5
    return {
        anchor: {
            models[m].id: (float(right_am[a, m]), float(usd_am[a, m]))
            for m in np.flatnonzero(known_am[a])
        }
        for a, anchor in enumerate(ids)
    }


def anchor_performance_from_rows(
    rows: Iterable[Mapping[str, Any]],
    models: Sequence[str],
    source: str,
    prices: Iterable[ModelSpec] = PUBLISHED_MODELS,
) -> AnchorPerformance:
    """Return the outcomes of a published data set, one row an (anchor, model), priced.

    A row has ``id, model_name, is_correct, usage_prompt_tokens, usage_completion_tokens``; one
    where a value is null is left out.

    Parameters
    ----------
    rows : iterable of mapping
    models : sequence of str
        Of the selection. A model of the data set takes the name that it has there, whether
        that is a short name such as ``qwen3-14b`` or an id of OpenRouter.
    source : str
        Name of the data set, for errors.
    prices : iterable of ModelSpec

    Raises
    ------
    FormatError
        If a row has another form, or there is none.
    UnknownPriceError
        If a model has no price.
    """
    name_of = {_short_name(model): model for model in models}
    price_of = {_short_name(spec.id): spec for spec in prices}
    anchors: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for row in rows:
        try:
            anchor, model = str(row["id"]), _short_name(row["model_name"])
            numbers = [
                np.array(np.nan if row[name] is None else row[name], dtype=np.float64)
                for name in ("is_correct", "usage_prompt_tokens", "usage_completion_tokens")
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                f"{source} has a row without id, model_name, is_correct and token counts"
            ) from error
        if np.isnan(numbers).any():
            continue
        if model not in price_of:
            raise UnknownPriceError(row["model_name"], "the price list")
        correct, prompt_tokens, completion_tokens = numbers
        usd = price_of[model].cost_usd(prompt_tokens, completion_tokens)
        anchors[anchor][name_of.get(model, model)] = (float(correct), float(usd))
    if not anchors:
        raise FormatError(f"{source} has no outcome; expected rows of a model on an anchor")
    return anchors


def _short_name(model: str) -> str:
    name = model.removesuffix(":free").rpartition("/")[2]
    return SHORT_NAMES.get(name, name)


def selection_entry(
    predictions: Predictions, q: int, truth: Sequence[tuple[float, float, float]] | None
) -> dict[str, Any]:
    """Return one question of a selection file.

    Parameters
    ----------
    predictions : Predictions
    q : int
        Index of the question.
    truth : sequence of (correct, completion tokens, USD), optional
        Outcome of each model; NaN where it was never run.

    Returns
    -------
    dict
        `correctness` is "yes" if p is at least one half, `confidence` is p or 1 - p,
        whichever is larger; unknown numbers are null, never 0.
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
        0 … 1; the published code knows right and wrong alone: part credit counts as right from
        one half.
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
