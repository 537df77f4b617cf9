"""``scope eval --reasoner``: the predictions of reasoners, checked and shown."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Group

from pipelines.reasoner import check_held_out
from pipelines.terminal import table
from scope.errors import ConfigError, EvaluationError
from scope.evaluation import UNKNOWN, EvaluationSet, Interval
from scope.report import ReasonedPredictions, ReasonerComparison
from scope.routing import StoredPredictions


def parse_reasoners(texts: Sequence[str]) -> list[tuple[str, Path]]:
    """Return name and folder of each NAME=FOLDER.

    Raises
    ------
    ConfigError
        If one is no NAME=FOLDER, or a name is there twice.
    """
    named: dict[str, Path] = {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise ConfigError(f"--reasoner is {text!r}; expected NAME=FOLDER of predictions")
        if name in named:
            raise ConfigError(f"--reasoner has the name {name!r} twice; expected another name")
        named[name] = Path(folder)
    return list(named.items())


def read_reasoner(
    name: str, folder: Path, test_set: EvaluationSet, models: tuple[str, ...]
) -> ReasonedPredictions:
    """Read predictions of the test set that a reasoner had a part in.

    Raises
    ------
    EvaluationError
        If they are of other questions, or lack a model.
    ConfigError
        If no reasoner was queried, or it was trained on a question of the test set.
    PredictionsError
        If they cannot be read.
    """
    stored = StoredPredictions.open(folder)
    if stored.manifest.reasoner is None:
        raise ConfigError(
            f"{folder} holds predictions of the anchors alone; expected those of "
            "scope predict --predictor scope"
        )
    check_held_out(test_set.prompts or (), stored.manifest.reasoner.checkpoint, "--questions")
    p_yes_qm = stored.p_yes()
    loaded = stored.load_all()
    row_of = {question_id: q for q, question_id in enumerate(loaded.predictions.question_ids)}
    if missing := [question_id for question_id in test_set.ids if question_id not in row_of]:
        raise EvaluationError(
            f"{folder} has no prediction of question {missing[0]!r} and {len(missing) - 1:,} "
            "more; expected predictions of --questions"
        )
    if unknown := [model for model in models if model not in stored.model_ids]:
        raise EvaluationError(f"{folder} has no prediction of {unknown[0]!r}; predict with it")
    rows = np.array([row_of[question_id] for question_id in test_set.ids], dtype=np.int64)
    columns = [stored.model_ids.index(model) for model in models]
    selected = loaded.select_models(models)
    predictions = replace(
        selected.predictions,
        question_ids=test_set.ids,
        estimates=selected.predictions.estimates.select_questions(rows),
    )
    return ReasonedPredictions(name, predictions, p_yes_qm[rows][:, columns], selected.reference)


def reasoner_table(rows: Sequence[ReasonerComparison], alpha: float) -> Group:
    """Return the comparison as a table with 95 % intervals over questions."""
    headers = (
        "",
        "AUC of P(yes) within a model",
        "over all",
        "log loss anchors",
        "blend",
        "blend − anchors",
        f"accuracy at alpha {alpha:g}",
        "− anchors",
        "USD per 1,000",
    )
    cells = [
        (
            row.name,
            *_answers(row),
            _text(row.accuracy, ".3f"),
            _text(row.accuracy_difference, "+.3f"),
            _text(row.usd_per_1k, ".3g"),
        )
        for row in rows
    ]
    return table("Reasoners, 95 % intervals", headers, cells)


def _answers(row: ReasonerComparison) -> tuple[str, ...]:
    if row.answers is None:
        return (UNKNOWN,) * 5
    of = row.answers
    return (
        _text(of.auc, ".3f"),
        _text(of.pooled_auc, ".3f"),
        f"{of.anchors.value:.4f}",
        f"{of.blended.value:.4f}",
        _text(of.difference, "+.4f"),
    )


def _text(interval: Interval, kind: str) -> str:
    return f"{interval:{kind}}".replace(" (", "\n(", 1)
