"""Sweep the two-stage policy over alpha, against a Python loop over questions and models.

The baseline is the published algorithm: for every alpha it scores every question and every
model in plain Python, from decoded JSON files. Decisions must be identical.
"""

from typing import Any

import numpy as np

from benchmarks.clock import peak_gib, report, seconds
from scope.reference.two_stage import TwoStage

N_QUESTIONS, N_MODELS, N_ALPHAS = 60_000, 13, 101


def inputs() -> TwoStage:
    """Return random predictions; a tenth of the models lack a Stage I entry."""
    rng = np.random.default_rng(0)
    shape = (N_QUESTIONS, N_MODELS)
    cheapness = rng.random(shape)
    cheapness[rng.random(shape) < 0.1] = np.nan
    return TwoStage(
        question_ids=tuple(map(str, range(N_QUESTIONS))),
        models=tuple(f"m{m}" for m in range(N_MODELS)),
        model_qm=np.tile(np.arange(N_MODELS), (N_QUESTIONS, 1)),
        accuracy_qm=np.where(np.isnan(cheapness), np.nan, rng.random(shape)),
        cheapness_qm=cheapness,
        yes_qm=(rng.random(shape) < 0.6).astype(float),
        predicted_cheapness_qm=rng.random(shape),
    )


def as_dictionaries(parts: TwoStage) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the same data as the selection and the Stage I table of the reference."""
    selection, stage1 = [], {}
    rows = zip(
        parts.question_ids,
        parts.accuracy_qm.tolist(),
        parts.cheapness_qm.tolist(),
        parts.yes_qm.tolist(),
        parts.predicted_cheapness_qm.tolist(),
        strict=True,
    )
    for question_id, accuracy, cheapness, yes, predicted in rows:
        models = [
            {
                "model": model,
                "predicted": {
                    "correctness": "yes" if yes[m] else "no",
                    "norm_cost": 1 - predicted[m],
                },
            }
            for m, model in enumerate(parts.models)
        ]
        selection.append({"question_id": question_id, "all_models": models})
        stage1[question_id] = {
            model: {"norm_acc": accuracy[m], "norm_cost": 1 - cheapness[m]}
            for m, model in enumerate(parts.models)
            if cheapness[m] == cheapness[m]
        }
    return selection, stage1


def route(
    selection: list[dict[str, Any]], stage1: dict[str, dict[str, Any]], alpha: float
) -> list[str]:
    """Score every model of every question one by one, as in section 2 of the paper."""
    gamma, weight = 2 * (1 + 2 * (1 - alpha)), 0.3 * (0.5 + 0.5 * alpha)
    chosen = []
    for question in selection:
        statistics = stage1[question["question_id"]]
        best, best_score = "", -1.0
        for entry in question["all_models"]:
            first = 0.0
            if (entry_statistics := statistics.get(entry["model"])) is not None:
                first = (
                    alpha * entry_statistics["norm_acc"]
                    + (1 - alpha) * (1 - entry_statistics["norm_cost"]) ** gamma
                )
            predicted = entry["predicted"]
            correct = 1.0 if predicted["correctness"] == "yes" else 0.0
            second = alpha * correct + (1 - alpha) * (1 - predicted["norm_cost"]) ** gamma
            score = weight * first + (1 - weight) * second
            if score > best_score:
                best, best_score = entry["model"], score
        chosen.append(best)
    return chosen


def main() -> None:
    """Run both and compare."""
    parts = inputs()
    alphas = [step / (N_ALPHAS - 1) for step in range(N_ALPHAS)]
    ours_s, (index_aq, _) = seconds(lambda: parts.sweep(alphas))
    peak = peak_gib()
    selection, stage1 = as_dictionaries(parts)
    loop_s, chosen = seconds(lambda: [route(selection, stage1, alpha) for alpha in alphas])
    sizes = f"{N_ALPHAS} alphas × {N_QUESTIONS:,} questions × {N_MODELS} models"
    report(f"alpha sweep, {sizes}", "Python loop", loop_s, ours_s, 100)
    same = (np.array(parts.models)[index_aq] == np.array(chosen)).mean()
    print(f"  identical decisions {same:.4%}; peak memory of ours {peak:.2f} GiB (target < 1)")


if __name__ == "__main__":
    main()
