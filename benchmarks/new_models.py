"""Transfer to new models: forecasts from few outcomes, on selected and on random anchors.

Each of 15 further models is predicted on the validation questions of MMLU-Pro by a bank fitted
on other families of models. The new model joins the pool of that bank at its own prices; *regret*
is the area lost against measuring it on every anchor, in points of accuracy.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.banks import data_folder, fitted_bank, questions
from scope.arrays import BoolArray, FloatArray, IntArray
from scope.bank.bank import Bank
from scope.evaluation.budget_curve import log_budgets
from scope.evaluation.reliability import ProbabilityMetrics, ProbabilityScores
from scope.evaluation.strategies import LambdaSweep, ResampledOutcomes
from scope.evaluation.weighted import WeightedPairs
from scope.forecast.anchor_selection import select_anchors
from scope.forecast.transfer import TransferModel
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec
from scope.predictions import MIN_P
from scope.predictor.predictor import AnchorPredictor
from scope.predictor.reference_population import fit_bank
from scope.routing.metrics import GroundTruth

SIZES = (10, 25, 50, 100, 250)
N_DRAWS, SEED = 5, 0
FAMILIES = {
    "llama": ("Llama",),
    "mistral": ("Mistral", "Mixtral", "mathstral"),
    "qwen": ("Qwen",),
    "yi": ("Yi",),
    "deepseek": ("deepseek", "DeepSeek"),
    "google": ("gem",),
}
"""Prefixes of the names of each family."""


def main() -> None:
    """Print a Markdown table of means over the models, and the paired differences."""
    data = data_folder()
    if data is None:
        return
    bank, labelled = fitted_bank(data, "mmlupro"), questions(data, "mmlupro", "val")
    table = read_outcomes_table(data / "mmlupro_new_models_outcomes.parquet")
    specs = _specs(data / "mmlupro_new_models_outcomes.parquet")
    scores: dict[tuple[str, int], list[FloatArray]] = {}
    for family in FAMILIES:
        known = [model for model in bank.model_ids if _family(model) == family]
        target = TransferTarget.without(known, bank, labelled)
        for spec in specs:
            if _family(spec.id) == family:
                for key, score in target.scores(spec, table):
                    scores.setdefault(key, []).append(score)
    _print(scores)


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """A bank without some of its models, and its forecasts for the validation questions."""

    bank: Bank
    transfer: TransferModel
    p_qm: FloatArray
    cost_usd_qm: FloatArray
    labelled: Bank

    @classmethod
    def without(cls, models: Collection[str], bank: Bank, labelled: Bank) -> "TransferTarget":
        """Fit on the other models."""
        others = tuple(model for model in bank.model_ids if model not in models)
        fitted = fit_bank(bank.select_models(others))
        estimates, _ = AnchorPredictor(fitted).predict(labelled.embedding_ad, labelled.features_af)
        assert fitted.forecaster is not None
        transfer = TransferModel.fit_prior(
            fitted.forecaster.correct.mean_m,
            fitted.forecaster.loo_p_nm,
            fitted.outcomes.correct_am[fitted.forecaster.anchor_index_n],
        )
        return cls(fitted, transfer, estimates.p_correct_qm, estimates.cost_usd_qm, labelled)

    def scores(
        self, spec: ModelSpec, table: pa.Table
    ) -> Iterator[tuple[tuple[str, int], FloatArray]]:
        """Yield (selection, number of anchors) and the scores of `Scorer.score`."""
        rows = table.filter(pc.equal(table["model"].cast(pa.string()), spec.id))
        measured, truth = (
            Outcomes.from_table(rows, bank.ids, (spec.id,), "outcomes")
            for bank in (self.bank, self.labelled)
        )
        correct_n = measured.correct_am[:, 0]
        known = np.flatnonzero(~np.isnan(correct_n))
        scorer = Scorer.for_model(self, spec, truth, self.predict(known, correct_n))
        yield ("all", len(known)), scorer.score(self.predict(known, correct_n))
        rng = np.random.default_rng(SEED)
        price_n = np.where(np.isnan(correct_n), np.nan, 1.0)
        order = select_anchors(self.transfer, price_n, (0, max(SIZES)), np.inf, 0.0).anchor_j
        for size in SIZES:
            yield ("selected", size), scorer.score(self.predict(order[:size], correct_n))
            draws = [rng.choice(known, size, replace=False) for _ in range(N_DRAWS)]
            drawn = [scorer.score(self.predict(draw, correct_n)) for draw in draws]
            yield ("random", size), np.mean(drawn, axis=0)

    def predict(self, index_n: IntArray, correct_n: FloatArray) -> FloatArray:
        """Return forecasts for the validation questions from outcomes on some anchors."""
        fit = self.transfer.fit_model(index_n, correct_n[index_n])
        p_q = fit.level + (self.p_qm - self.transfer.mean_m) @ fit.weight_m
        return np.asarray(p_q.clip(MIN_P, 1 - MIN_P))


@dataclass(frozen=True, slots=True)
class Scorer:
    """The outcomes of the new model, and the pool that it joins."""

    target: TransferTarget
    correct_qm: FloatArray
    cost_usd_qm: FloatArray
    planned_usd_qm: FloatArray
    known_q: BoolArray
    best: float

    @classmethod
    def for_model(
        cls, target: TransferTarget, spec: ModelSpec, truth: Outcomes, p_q: FloatArray
    ) -> "Scorer":
        """Add the new model to the pool at its own prices; `p_q` uses all anchors."""
        pool = GroundTruth.from_outcomes(
            target.labelled.outcomes.reindex(target.bank.model_ids, len(p_q)), target.bank.models
        )
        own = GroundTruth.from_outcomes(truth, (spec,))
        mean_usd_q1 = np.full((len(p_q), 1), np.nanmean(own.cost_usd_qm))
        scorer = cls(
            target,
            np.hstack([pool.correct_qm, own.correct_qm]),
            np.hstack([pool.cost_usd_qm, own.cost_usd_qm]),
            np.hstack([target.cost_usd_qm, mean_usd_q1]),
            ~np.isnan(own.correct_qm[:, 0]),
            0.0,
        )
        return replace(scorer, best=scorer.area(p_q))

    def area(self, p_q: FloatArray) -> float:
        """Return the area of routing among the pool and the new model."""
        kept_q = self.known_q
        n_kept = int(kept_q.sum())
        weight_rq = np.full((1, n_kept), 1 / n_kept)
        outcomes = ResampledOutcomes.from_outcomes(
            self.correct_qm[kept_q], self.cost_usd_qm[kept_q], weight_rq
        )
        p_qm = np.hstack([self.target.p_qm, p_q[:, None]])[kept_q]
        sweep = LambdaSweep(p_qm, self.planned_usd_qm[kept_q])
        return float(sweep.evaluate_at(outcomes, log_budgets(outcomes.mean_usd_rm)).area_r()[0])

    def score(self, p_q: FloatArray) -> FloatArray:
        """Return AUC, ECE, log loss, error of the mean accuracy and regret, both in points."""
        p, correct = p_q[self.known_q, None], self.correct_qm[self.known_q, -1:]
        regret = self.best - self.area(p_q)
        return np.append(forecast_scores(p, correct), 100 * regret)


def forecast_scores(p_q1: FloatArray, correct_q1: FloatArray) -> FloatArray:
    """Return AUC, ECE, log loss, and the error of the mean accuracy in points."""
    weight_rq = np.full((1, len(p_q1)), 1 / len(p_q1))
    quality = ProbabilityMetrics.from_scores(
        ProbabilityScores.from_pairs(WeightedPairs.from_forecasts(p_q1, correct_q1, weight_rq))
    )
    level_error = abs(float(p_q1.mean() - correct_q1.mean()))
    values = (quality.auc.value, quality.ece.value, quality.log_loss.value)
    return np.array([*values, 100 * level_error])


def _specs(path: Path) -> list[ModelSpec]:
    rows = pq.read_table(path, columns=["model", "price_in_per_m", "price_out_per_m"])
    names = rows["model"].cast(pa.string()).to_pylist()
    prices = dict(
        zip(
            names,
            zip(*(rows[name].to_pylist() for name in rows.column_names[1:]), strict=True),
            strict=True,
        )
    )
    return [
        ModelSpec(id=name, usd_per_mtok_in=usd_in, usd_per_mtok_out=usd_out)
        for name, (usd_in, usd_out) in sorted(prices.items())
    ]


def _family(model: str) -> str:
    """Return the family of a model; its own name if it has none."""
    families = (family for family, prefix in FAMILIES.items() if model.startswith(prefix))
    return next(families, model)


def _print(scores: Mapping[tuple[str, int], list[FloatArray]]) -> None:
    print("| anchors | selection | AUC | ECE | log loss | error of the mean | regret |")
    print("|---|---|---|---|---|---|---|")
    for selection, size in sorted(scores, key=lambda key: (key[0] == "all", key[1], key[0])):
        if selection != "all":
            print(f"| {size} | {selection} | {_cells(scores[selection, size])} |")
    all_anchors = np.concatenate([scores[key] for key in scores if key[0] == "all"])
    print(f"| all | | {_cells(list(all_anchors))} |\n")
    for size in (50, 100):
        difference = np.array(scores["selected", size]) - np.array(scores["random", 250])
        print(f"{size} selected minus 250 random: {_cells(list(difference))}")


def _cells(rows: list[FloatArray]) -> str:
    """Return means over the models, ± 1.96 standard errors."""
    values = np.array(rows)
    mean, error = values.mean(axis=0), 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    digits = (3, 3, 3, 1, 2)
    cells = zip(mean, error, digits, strict=True)
    return " | ".join(f"{value:.{d}f} ± {half:.{d}f}" for value, half, d in cells)


if __name__ == "__main__":
    main()
