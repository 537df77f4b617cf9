"""``scope route --policy two_stage``: the published router, its files in, its results file out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.commands.options import cache_folder
from scope.arrays import Float32Array
from scope.bank import Bank, StoredFeatures, load_bank
from scope.config import EncoderConfig
from scope.embedding import AnchorIndex
from scope.errors import ConfigError
from scope.pool import PUBLISHED_MODELS
from scope.prices import load_prices
from scope.questions import HubDataset
from scope.reference import (
    N_ALPHAS,
    AnchorPerformance,
    Selection,
    SelectionGroundTruth,
    Similarity,
    TwoStageConfig,
    anchor_performance_from_outcomes,
    anchor_performance_from_rows,
    prepare,
    published_results,
    read_anchor_performance,
    read_selection,
    read_similarity,
)


@dataclass(frozen=True, slots=True)
class TwoStageInputs:
    """The flags of ``scope route`` that belong to the policy two_stage; None where not given.

    Attributes
    ----------
    selection : Path
        Selection file: predictions and, where known, outcomes.
    similarity : Path
        Similarity file; None computes it from the bank.
    anchor_performance, bank, dataset
        Where Stage I finds the outcomes of the anchors: a file, a bank, a published data set.
    query_file : Path
        Where the similarity finds the questions: a question file, or a labelled bank. None: they
        are anchors of the bank.
    prices : Path
        Price file for the models of `dataset`.
    top_k, similarity_power, cost_sensitivity, stage1_weight
        See `TwoStageConfig`.
    """

    selection: Path | None = None
    similarity: Path | None = None
    anchor_performance: Path | None = None
    bank: Path | None = None
    dataset: str | None = None
    query_file: Path | None = None
    prices: Path | None = None
    top_k: int | None = None
    similarity_power: float | None = None
    cost_sensitivity: float | None = None
    stage1_weight: float | None = None

    @property
    def config(self) -> TwoStageConfig:
        """The parameters of the policy, as published where not given."""
        values = {field.name: getattr(self, field.name) for field in fields(TwoStageConfig)}
        return TwoStageConfig(**{name: v for name, v in values.items() if v is not None})


def route_two_stage(
    inputs: TwoStageInputs,
    alpha: float | None,
    budget_usd: float | None,
    alpha_steps: int | None,
) -> dict[str, Any]:
    """Route as the published code does; return the content of its results file.

    Parameters
    ----------
    inputs : TwoStageInputs
    alpha, budget_usd : float or None
        At most one of them.
    alpha_steps : int or None
        Points of the alpha grid; not with an alpha.

    Raises
    ------
    ConfigError
        If a flag is missing, out of range, or excludes another.
    FormatError
        If a file has another form.
    """
    _check_flags(inputs)
    if alpha is not None and budget_usd is not None:
        raise ConfigError("--alpha and --budget exclude each other; pass one of them")
    if alpha is not None and alpha_steps is not None:
        raise ConfigError("--alpha and --alpha-steps exclude each other; pass one of them")
    config = inputs.config
    assert inputs.selection is not None  # checked
    selection = read_selection(inputs.selection)
    bank = load_bank(inputs.bank) if inputs.bank else None
    anchors = _anchors(inputs, selection, bank)
    if inputs.similarity is not None:
        similarity = read_similarity(inputs.similarity)
    else:
        assert bank is not None  # checked
        similarity = _similarity_from_bank(bank, inputs.query_file, selection, config.top_k)
    routed = prepare(selection, similarity, anchors, config)
    return published_results(
        routed,
        SelectionGroundTruth(selection, routed),
        method=selection.method,
        dataset=inputs.dataset,
        alpha=alpha,
        budget_usd=budget_usd,
        n_alphas=alpha_steps or N_ALPHAS,
    )


def _check_flags(inputs: TwoStageInputs) -> None:
    if inputs.selection is None:
        raise ConfigError("policy two_stage needs --selection")
    sources = {
        "--anchor-performance": inputs.anchor_performance,
        "--bank": inputs.bank,
        "--dataset": inputs.dataset,
    }
    given = [flag for flag, value in sources.items() if value is not None]
    if len(given) != 1:
        raise ConfigError(
            f"policy two_stage takes its anchors from one of {', '.join(sources)}; "
            f"got {' and '.join(given) or 'none'}"
        )
    if inputs.similarity is None and inputs.bank is None:
        raise ConfigError("policy two_stage needs --similarity, or --bank to compute it from")
    if inputs.query_file is not None and inputs.similarity is not None:
        raise ConfigError("--query-file and --similarity exclude each other; pass one of them")
    if inputs.query_file is not None and inputs.bank is None:
        raise ConfigError("--query-file needs --bank, whose anchors its questions are compared to")
    if inputs.prices is not None and inputs.dataset is None:
        raise ConfigError("--prices needs --dataset; the other anchors have their costs")


def _anchors(inputs: TwoStageInputs, selection: Selection, bank: Bank | None) -> AnchorPerformance:
    if inputs.anchor_performance is not None:
        return read_anchor_performance(inputs.anchor_performance)
    if bank is not None:
        return anchor_performance_from_outcomes(bank.ids, bank.models, bank.outcomes)
    assert inputs.dataset is not None  # checked
    prices = load_prices(inputs.prices).values() if inputs.prices else PUBLISHED_MODELS
    dataset = HubDataset(inputs.dataset, "anchor")
    rows = (row.row for row in dataset.rows())
    return anchor_performance_from_rows(rows, selection.models, str(dataset), prices)


def _similarity_from_bank(
    bank: Bank, query_file: Path | None, selection: Selection, top_k: int
) -> Similarity:
    """Return the `top_k` nearest anchors of every question of the selection.

    A question that is an anchor itself is not its own neighbour.
    """
    ids = tuple(question.id for question in selection.questions)
    index_of = {anchor: a for a, anchor in enumerate(bank.ids)}
    if query_file is None:
        embedding_qd = bank.embedding_ad[_rows(ids, index_of, f"bank {bank.version[:12]}")]
    else:
        embedding_qd = _embeddings(bank, query_file, ids)
    self_index_q = np.array([index_of.get(question_id, -1) for question_id in ids])
    index = AnchorIndex(bank.embedding_ad)
    similarity_qk, anchor_qk = index.search_excluding_self(embedding_qd, top_k, self_index_q)
    near_q = zip(ids, anchor_qk.tolist(), similarity_qk.tolist(), strict=True)
    return {
        # Six digits, as a similarity file has them.
        question_id: [(bank.ids[a], round(s, 6)) for a, s in zip(anchors, similarity, strict=True)]
        for question_id, anchors, similarity in near_q
    }


def _embeddings(bank: Bank, query_file: Path, ids: Sequence[str]) -> Float32Array:
    """Return the vectors of the questions `ids`: stored ones of a bank, else of their texts."""
    from pipelines.predict.question_source import question_source

    source = question_source(query_file, None, None, bank)
    rows = _rows(ids, {question_id: q for q, question_id in enumerate(source.ids)}, str(query_file))
    if source.bank_path is not None:
        return StoredFeatures(source.bank_path).read(rows)[0]
    from pipelines.embedding.cached import embed_texts
    from pipelines.embedding.encoder_actor import EncoderSpec

    prompts = source.prompts or ()
    encoder = EncoderSpec.of(bank.embedder, EncoderConfig(), cache_folder())
    return embed_texts([prompts[row] for row in rows], encoder)


def _rows(ids: Sequence[str], index_of: Mapping[str, int], where: str) -> list[int]:
    if missing := [question_id for question_id in ids if question_id not in index_of]:
        raise ConfigError(
            f"{len(missing):,} questions of the selection are not in {where}, the first "
            f"{missing[0]!r}; pass --query-file with all of them, or --similarity"
        )
    return [index_of[question_id] for question_id in ids]
