"""What the anchors that ship with texts tell about models that had no part in their choice.

``python -m benchmarks.starter_anchors_held_out DATA [FAMILY …]``, by default all of `FAMILIES` and
further ones; a fit to MMLU-Pro takes minutes. One family of models is left out at a time:
anchors are chosen and forecasts fitted on the others, and each model left out is predicted on
validation questions from its outcomes on the first n anchors, or on n random ones of the same
training questions. A second table measures a whole pool on n anchors and fits a bank on those
alone.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.banks import questions
from benchmarks.new_models import FAMILIES, TransferTarget, forecast_scores
from benchmarks.starter_anchors import (
    Candidates,
    in_order,
    new_outcomes,
    question_rows,
    without_contested,
    zeroeval_bank,
)
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.arrays import FloatArray, IntArray
from scope.bank.bank import Bank
from scope.forecast.anchor_selection import select_anchors
from scope.outcomes import Outcomes
from scope.predictor.cross_validation import choose_forecast
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import fit_bank

SIZES = (25, 50, 100, 200, 10_000)
"""Numbers of anchors; the last is all that are chosen."""

N_DRAWS, SEED = 10, 0
MORE_FAMILIES = {"claude": ("claude",), "gpt": ("gpt",), "phi": ("Phi",), "jamba": ("jamba",)}
Rows = Mapping[str, Mapping[str, Any]]
Scores = dict[tuple[str, int], list[FloatArray]]
"""(selection, number of anchors) -> AUC, ECE, log loss and error of the mean, of each model."""


def main() -> None:
    """Print both tables for both sets."""
    data = Path(sys.argv[1])
    rows = question_rows(data)
    mmlu, mmlu_held_out = load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)
    further = tuple(new_outcomes(data, bank) for bank in (mmlu, mmlu_held_out))
    zero_held_out = without_contested(questions(data, "zeroeval", "val"))
    sets = (
        DataSet("GSM8K and CRUXEval", zeroeval_bank(data), zero_held_out, None, rows),
        DataSet("MMLU-Pro", mmlu, mmlu_held_out, further, rows),
    )
    for each in sets:
        _print(f"{each.name}: one new model, n anchors", each.new_model())
        _print(f"{each.name}: a pool on n anchors alone", each.pool_from_nothing())


@dataclass(frozen=True, slots=True)
class DataSet:
    """A fitted bank, held-out questions, and outcomes of further models on both."""

    name: str
    bank: Bank
    held_out: Bank
    further: tuple[Outcomes, ...] | None
    rows: Rows

    def new_model(self) -> Scores:
        """Return the scores of models that are predicted without their families."""
        scores: Scores = {}
        for known in self._families():
            if sys.argv[2:] and family(known[0]) not in sys.argv[2:]:
                continue
            target = TransferTarget.without(known, self.bank, self.held_out)
            order = self._order(target.bank)
            name = family(known[0])
            for correct_n, correct_q in self._outcomes_of(name):
                for key, score in _transfer_scores(target, order, correct_n, correct_q):
                    scores.setdefault(key, []).append(score)
        return scores

    def pool_from_nothing(self) -> Scores:
        """Return the scores of banks of half of the families, anchors chosen by the other half."""
        families, scores = self._families(), Scores()
        for half in (0, 1):
            pool = tuple(model for known in families[half::2] for model in known)
            others = tuple(model for known in families[1 - half :: 2] for model in known)
            order = self._order(fit_bank(self.bank.select_models(others)))
            bank = self.bank.select_models(pool)
            held_out = self.held_out.select_models(pool)
            for selection, chosen in _selections(order, np.arange(len(bank.ids))):
                drawn_dms = np.array([_pool_scores(bank, index, held_out) for index in chosen])
                key = (selection, len(chosen[0]))
                scores.setdefault(key, []).extend(drawn_dms.mean(axis=0))
        return scores

    def _families(self) -> list[list[str]]:
        names = dict.fromkeys(family(model) for model in self.bank.model_ids)
        return [[m for m in self.bank.model_ids if family(m) == name] for name in names]

    def _order(self, fitted: Bank) -> IntArray:
        """Return the anchors that the models of a bank choose."""
        row = {anchor: n for n, anchor in enumerate(self.bank.ids)}
        chosen = in_order([Candidates.of(fitted, self.rows)])
        return np.array([row[anchor] for anchor in chosen], dtype=np.int64)

    def _outcomes_of(self, name: str) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the outcomes on anchors and on held-out questions of each model of a family."""
        pairs = [(self.bank.outcomes, self.held_out.outcomes)]
        pairs += [(self.further[0], self.further[1])] if self.further else []
        for on_anchors, on_held_out in pairs:
            for m, model in enumerate(on_anchors.models):
                if family(model) == name:
                    correct_q = on_held_out.correct_am[:, on_held_out.models.index(model)]
                    yield on_anchors.correct_am[:, m], correct_q


def family(model: str) -> str:
    """Return the family of a model; its own name if it has none."""
    known = {**FAMILIES, **MORE_FAMILIES}
    return next((name for name, starts in known.items() if model.startswith(starts)), model)


def _selections(order: IntArray, among: IntArray) -> Iterator[tuple[str, list[IntArray]]]:
    """Yield the first of the chosen anchors, and draws of as many random ones."""
    rng = np.random.default_rng(SEED)
    for size in sorted({min(size, len(order)) for size in SIZES}):
        yield "chosen", [order[:size]]
        yield "random", [rng.choice(among, size, replace=False) for _ in range(N_DRAWS)]


def _transfer_scores(
    target: TransferTarget, order: IntArray, correct_n: FloatArray, correct_q: FloatArray
) -> Iterator[tuple[tuple[str, int], FloatArray]]:
    known_q, measured_n = ~np.isnan(correct_q), ~np.isnan(correct_n)
    order = order[measured_n[order]]

    def score(index: IntArray) -> FloatArray:
        p_q = target.predict(index, correct_n)
        return forecast_scores(p_q[known_q, None], correct_q[known_q, None])

    price_n = np.full(len(correct_n), np.nan)
    price_n[order] = 1.0
    planned = select_anchors(target.transfer, price_n, (0, max(SIZES[:-1])), np.inf, 0.0).anchor_j
    for selection, chosen in _selections(order, np.flatnonzero(measured_n)):
        n_nominal = min((size for size in SIZES if size >= len(chosen[0])), default=0)
        key = (selection, n_nominal)
        yield key, np.mean([score(index) for index in chosen], axis=0)
        if selection == "chosen" and n_nominal < SIZES[-1]:
            yield ("planned", n_nominal), score(planned[:n_nominal])


def _pool_scores(bank: Bank, index: IntArray, held_out: Bank) -> FloatArray:
    """Return the scores of each model, shape (n_models, 4)."""
    fitted = choose_forecast(fit_bank(bank.select_anchors(np.sort(index))))
    estimates, _ = AnchorPredictor(fitted).predict(held_out.embedding_ad, held_out.features_af)
    correct_qm = held_out.outcomes.correct_am
    scores = [
        forecast_scores(estimates.p_correct_qm[known_q, m : m + 1], correct_qm[known_q, m : m + 1])
        for m, known_q in enumerate((~np.isnan(correct_qm)).T)
    ]
    return np.array(scores)


def _print(title: str, scores: Scores) -> None:
    print(f"\n{title}, {len(next(iter(scores.values())))} models\n")
    print("| anchors | | error of the mean, points | AUC | log loss |\n|---|---|---|---|---|")
    for selection, size in sorted(scores, key=lambda key: (key[1], key[0])):
        print(f"| {size:,} | {selection} | {_cells(np.array(scores[selection, size]))} |")
        if selection == "random":
            difference = np.array(scores["chosen", size]) - np.array(scores["random", size])
            print(f"| {size:,} | chosen minus random | {_cells(difference)} |", flush=True)


def _cells(value_ms: FloatArray) -> str:
    """Return means over models, ± 1.96 standard errors."""
    mean, error = value_ms.mean(axis=0), 1.96 * value_ms.std(axis=0, ddof=1) / len(value_ms) ** 0.5
    cells = [(3, "1f"), (0, "3f"), (2, "3f")]
    return " | ".join(f"{mean[c]:.{form}} ± {error[c]:.{form}}" for c, form in cells)


if __name__ == "__main__":
    main()
