"""Router labels of samples, as our Parquet table or as the published files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scope.arrays import BoolArray, FloatArray, nan_to_null
from scope.errors import ConfigError
from scope.pool import ModelSpec
from scope.prices import select_specs
from scope.samples import (
    SHARES,
    SPLITS,
    ArmScores,
    LabelForm,
    MatchMargin,
    Samples,
    arm_costs,
    split_of,
    write_candidates,
)
from scope.storage import atomic_file


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """Which labels to make, as the user passes it."""

    reference: str
    models: tuple[str, ...] = ()
    """Empty: every model but the reference."""
    ns: tuple[int, ...] = (1,)
    """Samples of an arm: each model is an arm with each of these."""
    form: LabelForm = "prob_nlabels"
    scorer: str = "correct"
    selector: str | None = None
    margin: float | None = 0.0
    """None: t*, from the training prompts."""
    shares: tuple[float, float, float] = SHARES

    def arms(self, samples: Samples) -> tuple[str, ...]:
        """Return the names of the arms, without the reference."""
        if not self.ns or min(self.ns) < 1 or len(set(self.ns)) < len(self.ns):
            raise ConfigError(f"--ns is {self.ns}; expected different numbers of at least 1")
        models = self.models or samples.models
        names = [model for model in models if model != self.reference]
        return tuple(name if n == 1 else f"{name}@{n}" for name in names for n in self.ns)


@dataclass(frozen=True, slots=True)
class LabelResult:
    """What was written.

    Attributes
    ----------
    arms : tuple of str
        The reference last.
    margin : MatchMargin
        The margin of the labels, and its note.
    mean_label_m : ndarray of shape (n_labels,)
        Mean over training prompts; NaN without any.
    n_prompts : mapping of str to int
        Prompts written of each split.
    n_left_out : int
        Prompts on which an arm has too few samples; the published form cannot hold them.
    """

    arms: tuple[str, ...]
    margin: MatchMargin
    mean_label_m: FloatArray
    n_prompts: dict[str, int]
    n_left_out: int


def write_labels(
    samples: Samples, request: LabelRequest, output: Path, prices: dict[str, ModelSpec] | None
) -> LabelResult:
    """Write router labels.

    Parameters
    ----------
    samples : Samples
    request : LabelRequest
    output : Path
        ``.parquet``: one row a prompt with its split, and columns ``label:ARM``, ``quality:ARM``,
        ``completion_tokens:ARM`` and with prices ``cost_usd:ARM``. Without a suffix: a folder of
        three ``.jsonl`` files, as the published router reads them.
    prices : dict, optional
        Prices by model.

    Raises
    ------
    ConfigError
        If labels cannot be made as asked.
    """
    if output.suffix not in (".parquet", ""):
        raise ConfigError(f"{output} has suffix {output.suffix!r}; expected .parquet, or a folder")
    if not samples.known_qmo().any():
        raise ConfigError("the samples hold no response or score of any model to label")
    arms = ArmScores.of(
        samples,
        request.reference,
        request.arms(samples),
        scorer=request.scorer,
        selector=request.selector,
    )
    split_q = [split_of(prompt, request.shares) for prompt in samples.prompts]
    is_train_q = np.array([split == "train" for split in split_q], dtype=np.bool_)
    margin = _margin(arms, request, is_train_q)
    label_qm = arms.labels(request.form, margin.margin)
    if output.suffix:
        table = _table(samples, arms, label_qm, split_q)
        if prices is not None:
            names = [samples.models[column] for column in arms.columns]
            specs = dict(zip(names, select_specs(prices, names, "the prices"), strict=True))
            cost_qm = arm_costs(samples, arms.arms, specs, is_train_q)
            table = _with_columns(table, "cost_usd", arms, cost_qm)
        _write(table, request, margin, arms, output)
        n_prompts = {str(split): split_q.count(split) for split in SPLITS}
    else:
        n_prompts = {
            str(split): write_candidates(output / f"{split}.jsonl", samples, arms, split_q, split)
            for split in SPLITS
        }
    n_m = (~np.isnan(label_qm[is_train_q])).sum(axis=0)
    mean_label_m = np.full(label_qm.shape[1], np.nan)
    np.divide(np.nansum(label_qm[is_train_q], axis=0), n_m, out=mean_label_m, where=n_m > 0)
    n_left_out = len(samples.ids) - sum(n_prompts.values())
    return LabelResult(tuple(map(str, arms.arms)), margin, mean_label_m, n_prompts, n_left_out)


def _margin(arms: ArmScores, request: LabelRequest, is_train_q: BoolArray) -> MatchMargin:
    if request.margin is not None:
        return MatchMargin(request.margin, float("nan"), float("nan"))
    if not is_train_q.any():
        raise ConfigError("no prompt is a training prompt, from which --margin best is chosen")
    return arms.best_margin(request.form, is_train_q)


def _table(
    samples: Samples, arms: ArmScores, label_qm: FloatArray, split_q: Sequence[str]
) -> pa.Table:
    table = pa.table(
        {
            "question_id": pa.array(samples.ids, pa.string()),
            "prompt": pa.array(samples.prompts, pa.string()),
            "split": pa.array(split_q, pa.string()),
        }
    )
    n_m = np.array([arm.n_samples for arm in arms.arms], dtype=np.float64)
    known_qmo = ~np.isnan(samples.completion_tokens_qmo)
    total_qm = np.nansum(samples.completion_tokens_qmo, axis=2)
    mean_qm = np.full(total_qm.shape, np.nan)
    np.divide(total_qm, known_qmo.sum(axis=2), out=mean_qm, where=known_qmo.any(axis=2))
    table = _with_columns(table, "label", arms, label_qm)
    table = _with_columns(table, "quality", arms, arms.quality())
    table = _with_columns(
        table, "prompt_tokens", arms, samples.prompt_tokens_qm[:, list(arms.columns)]
    )
    return _with_columns(table, "completion_tokens", arms, mean_qm[:, list(arms.columns)] * n_m)


def _with_columns(table: pa.Table, name: str, arms: ArmScores, value_qm: FloatArray) -> pa.Table:
    for arm, value_q in zip(arms.arms, value_qm.T, strict=False):  # 2cls, nlabels: no reference
        table = table.append_column(f"{name}:{arm}", nan_to_null(value_q, pa.float64()))
    return table


def _write(
    table: pa.Table, request: LabelRequest, margin: MatchMargin, arms: ArmScores, output: Path
) -> None:
    facts = {
        "form": request.form,
        "reference": request.reference,
        "arms": [str(arm) for arm in arms.arms],
        "scorer": request.scorer,
        "selector": request.selector,
        "margin": margin.margin,
        "shares": request.shares,
    }
    table = table.replace_schema_metadata({"scope.labels": json.dumps(facts)})
    with atomic_file(output) as draft:
        pq.write_table(table, draft, compression="zstd")
