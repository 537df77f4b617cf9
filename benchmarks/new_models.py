"""A model nobody has seen: what a few of its outcomes are worth, chosen and at random.

Each of 15 further models is foretold on the validation questions of MMLU-Pro by a bank that has
learned from other families of models alone. *Regret* is the area lost against asking the new
model every anchor, when it joins that bank's models at its own price, in points of accuracy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.banks import data_folder, learned_bank, questions
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
"""Beginnings of the names of each family."""


def main() -> None:
    """Print a Markdown table of means over the models, and the paired differences."""
    data = data_folder()
    if data is None:
        return
    bank, labelled = learned_bank(data, "mmlupro"), questions(data, "mmlupro", "val")
    table = read_outcomes_table(data / "mmlupro_new_models_outcomes.parquet")
    specs = _specs(data / "mmlupro_new_models_outcomes.parquet")
    scores: dict[tuple[str, int], list[FloatArray]] = {}
    for family in FAMILIES:
        host = Host.without(family, bank, labelled)
        for spec in specs:
            if _family(spec.id) == family:
                for key, score in host.examine(spec, table):
                    scores.setdefault(key, []).append(score)
    _print(scores)


@dataclass(frozen=True, slots=True)
class Host:
    """A bank without one family, and what it foretells of the validation questions."""

    bank: Bank
    kinship: TransferModel
    p_qm: FloatArray
    cost_usd_qm: FloatArray
    labelled: Bank

    @classmethod
    def without(cls, family: str, bank: Bank, labelled: Bank) -> "Host":
        """Learn from the models of other families alone."""
        others = tuple(model for model in bank.model_ids if _family(model) != family)
        learned = fit_bank(bank.select_models(others))
        estimates, _ = AnchorPredictor(learned).predict(labelled.embedding_ad, labelled.features_af)
        assert learned.forecaster is not None
        kinship = TransferModel.fit_prior(
            learned.forecaster.correct.mean_m,
            learned.forecaster.loo_p_nm,
            learned.outcomes.correct_am[learned.forecaster.anchor_index_n],
        )
        return cls(learned, kinship, estimates.p_correct_qm, estimates.cost_usd_qm, labelled)

    def examine(
        self, spec: ModelSpec, table: pa.Table
    ) -> Iterator[tuple[tuple[str, int], FloatArray]]:
        """Yield (how, anchors) and AUC, ECE, log loss, error of the level and regret."""
        rows = table.filter(pc.equal(table["model"].cast(pa.string()), spec.id))
        asked, truth = (
            Outcomes.from_table(rows, bank.ids, (spec.id,), "outcomes")
            for bank in (self.bank, self.labelled)
        )
        correct_n = asked.correct_am[:, 0]
        known = np.flatnonzero(~np.isnan(correct_n))
        judge = Judge.of(self, spec, truth, self.foretell(known, correct_n))
        yield ("all", len(known)), judge.score(self.foretell(known, correct_n))
        rng = np.random.default_rng(SEED)
        price_n = np.where(np.isnan(correct_n), np.nan, 1.0)
        order = select_anchors(self.kinship, price_n, (0, max(SIZES)), np.inf, 0.0).anchor_j
        for size in SIZES:
            yield ("chosen", size), judge.score(self.foretell(order[:size], correct_n))
            draws = [rng.choice(known, size, replace=False) for _ in range(N_DRAWS)]
            scores = [judge.score(self.foretell(draw, correct_n)) for draw in draws]
            yield ("random", size), np.mean(scores, axis=0)

    def foretell(self, measured: IntArray, correct_n: FloatArray) -> FloatArray:
        """Return what some outcomes of the new model say of the validation questions."""
        line = self.kinship.fit_model(measured, correct_n[measured])
        p_q = line.level + (self.p_qm - self.kinship.mean_m) @ line.weight_m
        return np.asarray(p_q.clip(MIN_P, 1 - MIN_P))


@dataclass(frozen=True, slots=True)
class Judge:
    """What the new model really did, and the pool it joins."""

    host: Host
    correct_qm: FloatArray
    cost_usd_qm: FloatArray
    planned_usd_qm: FloatArray
    known_q: BoolArray
    best: float

    @classmethod
    def of(cls, host: Host, spec: ModelSpec, truth: Outcomes, p_q: FloatArray) -> "Judge":
        """Let the new model join at its own price; `p_q` is the best forecast to be had."""
        pool = GroundTruth.from_outcomes(
            host.labelled.outcomes.reindex(host.bank.model_ids, len(p_q)), host.bank.models
        )
        own = GroundTruth.from_outcomes(truth, (spec,))
        mean_usd_q1 = np.full((len(p_q), 1), np.nanmean(own.cost_usd_qm))
        whole = cls(
            host,
            np.hstack([pool.correct_qm, own.correct_qm]),
            np.hstack([pool.cost_usd_qm, own.cost_usd_qm]),
            np.hstack([host.cost_usd_qm, mean_usd_q1]),
            ~np.isnan(own.correct_qm[:, 0]),
            0.0,
        )
        return replace(whole, best=whole.area(p_q))

    def area(self, p_q: FloatArray) -> float:
        """Return the area that routing among the pool and the new model reaches."""
        kept_q = self.known_q
        n_kept = int(kept_q.sum())
        weight_rq = np.full((1, n_kept), 1 / n_kept)
        record = ResampledOutcomes.from_outcomes(
            self.correct_qm[kept_q], self.cost_usd_qm[kept_q], weight_rq
        )
        p_qm = np.hstack([self.host.p_qm, p_q[:, None]])[kept_q]
        routed = LambdaSweep(p_qm, self.planned_usd_qm[kept_q])
        return float(routed.evaluate_at(record, log_budgets(record.mean_usd_rm)).area_r()[0])

    def score(self, p_q: FloatArray) -> FloatArray:
        """Return AUC, ECE, log loss, error of the level in points, and regret in points."""
        p, correct = p_q[self.known_q, None], self.correct_qm[self.known_q, -1:]
        weight_rq = np.full((1, len(p)), 1 / len(p))
        quality = ProbabilityMetrics.from_scores(
            ProbabilityScores.from_pairs(WeightedPairs.from_forecasts(p, correct, weight_rq))
        )
        level_error = abs(float(p.mean() - correct.mean()))
        regret = self.best - self.area(p_q)
        values = (quality.auc.value, quality.ece.value, quality.log_loss.value)
        return np.array([*values, 100 * level_error, 100 * regret])


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
    """Return the family of a model; its own name where it has none."""
    families = (family for family, starts in FAMILIES.items() if model.startswith(starts))
    return next(families, model)


def _print(scores: Mapping[tuple[str, int], list[FloatArray]]) -> None:
    print("| anchors | how | AUC | ECE | log loss | error of the level | regret |")
    print("|---|---|---|---|---|---|---|")
    for how, size in sorted(scores, key=lambda key: (key[0] == "all", key[1], key[0])):
        if how != "all":
            print(f"| {size} | {how} | {_cells(scores[how, size])} |")
    everything = np.concatenate([scores[key] for key in scores if key[0] == "all"])
    print(f"| all | | {_cells(list(everything))} |\n")
    for size in (50, 100):
        less = np.array(scores["chosen", size]) - np.array(scores["random", 250])
        print(f"{size} chosen minus 250 random: {_cells(list(less))}")


def _cells(rows: list[FloatArray]) -> str:
    """Return means over the models, ± 1.96 standard errors over them."""
    values = np.array(rows)
    mean, error = values.mean(axis=0), 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    digits = (3, 3, 3, 1, 2)
    cells = zip(mean, error, digits, strict=True)
    return " | ".join(f"{value:.{d}f} ± {half:.{d}f}" for value, half, d in cells)


if __name__ == "__main__":
    main()
