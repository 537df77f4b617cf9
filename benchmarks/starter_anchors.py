"""Choose the anchors that the package ships with their texts.

``python -m benchmarks.starter_anchors DATA OUTPUT.jsonl``, DATA as in `benchmarks.banks`. Subjects
and kinds take turns by their quotas, and each gives the anchor whose outcome is expected to narrow
the forecast of a new model most. `benchmarks.starter_anchors_held_out` measures the choice.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.banks import questions
from scope import EMBEDDED_BANK, load_bank
from scope.arrays import BoolArray, FloatArray
from scope.bank.bank import Bank
from scope.forecast.anchor_selection import PosteriorCovariance
from scope.outcomes import Outcomes, read_outcomes_table
from scope.predictor.measurement_plan import fit_transfer
from scope.predictor.reference_population import fit_bank

CONTESTED = ("competition math", "math")
"""Categories left out: MATH, and the one of MMLU-Pro, some of whose questions are also in MATH."""

PER_SUBJECT = 32
"""Anchors of each subject of MMLU-Pro."""

PER_KIND = {"grade-school math": 142, "code execution": 142}
GRADERS = {"multiple_choice": "choice", "number": "numeric", "python literal": "literal"}

MAX_CHARS = 2_000
"""Longest prompt: what the encoder of the banks reads."""

MIN_CORRELATION = -0.2
"""Between being right and the mean accuracy of a model; below it the gold answer is doubtful."""

MAX_SIMILARITY = 0.95
"""A question more similar than this to one that is chosen already tells the same."""


def main() -> None:
    """Write the question file."""
    data, output = Path(sys.argv[1]), Path(sys.argv[2])
    rows = question_rows(data)
    mmlu, zero = load_bank(EMBEDDED_BANK), zeroeval_bank(data)
    new_nm = new_outcomes(data, mmlu).correct_am
    chosen = in_order([Candidates.of(mmlu, rows, new_nm), Candidates.of(zero, rows)])
    lines = [json.dumps(rows[anchor], ensure_ascii=False) for anchor in chosen]
    output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{len(lines)} anchors in {output}")


def zeroeval_bank(data: Path) -> Bank:
    """Return the training questions of GSM8K and CRUXEval as a fitted bank."""
    return fit_bank(without_contested(questions(data, "zeroeval", "train")))


def without_contested(bank: Bank) -> Bank:
    """Return the questions of the other categories."""
    return bank.select_anchors(np.flatnonzero(~np.isin(bank.categories, CONTESTED)))


def new_outcomes(data: Path, bank: Bank) -> Outcomes:
    """Return what the further models did on the questions of MMLU-Pro of a bank."""
    path = data / "mmlupro_new_models_outcomes.parquet"
    rows = read_outcomes_table(path)
    names = tuple(sorted(pc.unique(rows["model"].cast(pa.string())).to_pylist()))
    return Outcomes.from_table(rows, bank.ids, names, str(path))


def question_rows(data: Path) -> dict[str, dict[str, Any]]:
    """Return the line of the question file for each question, by id."""
    return {
        row["question_id"]: {
            "id": row["question_id"],
            "prompt": row["prompt"],
            "gold": row["gt"],
            "grader": GRADERS[row["answer_type"]],
            "category": row["category"],
            "source": row["source_benchmark"],
        }
        for name in ("mmlupro", "zeroeval")
        for row in pq.read_table(data / f"{name}_questions.parquet").to_pylist()
    }


@dataclass(slots=True)
class Candidates:
    """The anchors of a fitted bank, and what is known of a new model after those taken.

    Attributes
    ----------
    bank : Bank
        Its anchors are those of the posterior.
    posterior : PosteriorCovariance
    usable_n : ndarray of shape (n_anchors,)
    """

    bank: Bank
    posterior: PosteriorCovariance
    usable_n: BoolArray

    @classmethod
    def of(
        cls, bank: Bank, rows: Mapping[str, Mapping[str, str]], more_nm: FloatArray | None = None
    ) -> "Candidates":
        """Keep short questions with plausible gold answers; `more_nm`: of further models."""
        assert bank.forecaster is not None
        fitted = bank.forecaster
        assert np.array_equal(fitted.anchor_index_n, np.arange(len(bank.ids)))
        correct_nm = bank.outcomes.correct_am
        transfer, _ = fit_transfer(fitted.correct, fitted.loo_p_nm, correct_nm)
        all_nm = correct_nm if more_nm is None else np.hstack([correct_nm, more_nm])
        is_short_n = np.array([len(rows[anchor]["prompt"]) <= MAX_CHARS for anchor in bank.ids])
        usable_n = is_short_n & is_plausible(all_nm)
        return cls(bank, PosteriorCovariance.prior(transfer), usable_n)

    def take(self, category: str) -> str | None:
        """Take the most informative usable anchor of a category; return its id, None if none."""
        open_n = self.usable_n & (np.array(self.bank.categories) == category)
        if not open_n.any():
            return None
        best = int(np.argmax(np.where(open_n, self.posterior.variance_reduction(), -1.0)))
        self.posterior = self.posterior.updated(best)
        similarity_n = self.bank.embedding_ad @ self.bank.embedding_ad[best]
        self.usable_n = self.usable_n & (similarity_n <= MAX_SIMILARITY)
        self.usable_n[best] = False
        return self.bank.ids[best]


def is_plausible(correct_nm: FloatArray) -> BoolArray:
    """Return which gold answers are not doubtful: all models fail, or clearly the better ones.

    What every model answers stays: without it the mean accuracy of a new model has a larger error.
    """
    mean_m, share_n1 = np.nanmean(correct_nm, axis=0), np.nanmean(correct_nm, axis=1, keepdims=True)
    centred_m = mean_m - mean_m.mean()
    centred_nm = np.where(np.isnan(correct_nm), 0.0, correct_nm - share_n1)
    spread_n = np.sqrt((centred_nm**2).sum(axis=1) * (centred_m**2).sum())
    covariance_n = centred_nm @ centred_m
    plausible_n: BoolArray = (share_n1[:, 0] > 0) & (covariance_n >= MIN_CORRELATION * spread_n)
    return plausible_n


def in_order(candidates: Sequence[Candidates]) -> list[str]:
    """Return the ids that were chosen: every beginning is spread over subjects and kinds."""
    by_category = {name: each for each in candidates for name in sorted(set(each.bank.categories))}
    quotas = {
        name: PER_KIND.get(name, PER_SUBJECT) for name in by_category if name not in CONTESTED
    }
    taken = (by_category[name].take(name) for name in in_turn(quotas))
    return [anchor for anchor in taken if anchor is not None]


def in_turn(quotas: Mapping[str, int]) -> Iterator[str]:
    """Yield each name as often as its quota; every time the one that is most behind its share."""
    n_all, taken = sum(quotas.values()), dict.fromkeys(quotas, 0)
    for n in range(1, n_all + 1):
        name = max(quotas, key=lambda name: n * quotas[name] / n_all - taken[name])
        taken[name] += 1
        yield name


if __name__ == "__main__":
    main()
