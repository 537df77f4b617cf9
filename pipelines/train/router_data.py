"""Labelled prompts for a router, from samples of models on prompts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope.arms import Arm, rank_weights
from scope.arrays import FloatArray
from scope.bank import load_bank
from scope.errors import ConfigError, UnknownModelError
from scope.learned import Loss, RouterData, n_outputs
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec
from scope.prices import load_prices, select_specs
from scope.questions import HubDataset, read_questions
from scope.samples import Samples

CORRECT = "correct"
N_MARGINS = 41


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """Which arms, and how an arm's answers are compared with those of the reference."""

    reference: str
    arms: tuple[str, ...] = ()
    """The reference may be among them; empty means every other model."""
    loss: Loss = "prob_nlabels"
    margin: float | None = 0.0
    """How much worse than the reference still matches; None: the margin of widest labels."""
    scorer: str = CORRECT
    """Name of the scores that measure quality."""
    selector: str | None = None
    """Name of the scores that choose the best of n samples."""


@dataclass(frozen=True, slots=True)
class PricedSamples:
    """Samples with the prices of their models."""

    samples: Samples
    prices: Mapping[str, ModelSpec]
    source: str


def samples_of_bank(path: Path) -> PricedSamples:
    """Return the outcomes of a bank as samples, one of each model on each question.

    Raises
    ------
    ScopeError
        If it is no bank, or holds no prompts.
    """
    bank = load_bank(path)
    samples = _one_sample(bank.ids, bank.require_prompts(), bank.outcomes)
    return PricedSamples(samples, {model.id: model for model in bank.models}, str(path))


def samples_of_outcomes(
    questions: Path | HubDataset, outcomes: Path, prices: Path
) -> PricedSamples:
    """Return questions and a Parquet file of outcomes as samples, one of each model."""
    asked = read_questions(questions)
    table = read_outcomes_table(outcomes)
    models = tuple(dict.fromkeys(table["model"].cast("string").to_pylist()))
    found = Outcomes.from_table(table, asked.ids, models, str(outcomes))
    return PricedSamples(
        _one_sample(asked.ids, asked.prompts, found), load_prices(prices), str(outcomes)
    )


def _one_sample(ids: tuple[str, ...], prompts: tuple[str, ...], outcomes: Outcomes) -> Samples:
    return Samples(
        ids,
        prompts,
        outcomes.models,
        {CORRECT: outcomes.correct_am[:, :, None]},
        outcomes.prompt_tokens_am,
        outcomes.completion_tokens_am[:, :, None],
    )


def router_data(priced: PricedSamples, choice: LabelChoice) -> RouterData:
    """Return the labels, qualities and token counts of the arms, the reference last.

    Raises
    ------
    ConfigError
        If a model or a scorer is unknown, or an arm draws more samples than there are.
    """
    samples = priced.samples
    arms = _resolve_arms(samples, choice)
    n_outputs(choice.loss, len(arms))
    scores = _scores(samples, choice.scorer)
    columns = [_column(samples, arm) for arm in arms]
    ranks = None if choice.selector is None else _scores(samples, choice.selector)
    weights = [
        _draw_weights(arm, scores[:, column], None if ranks is None else ranks[:, column])
        for arm, column in zip(arms, columns, strict=True)
    ]
    grid = _ScoreGrid(scores, columns, weights)
    margin = grid.widest_margin() if choice.margin is None else choice.margin
    n_m = np.array([arm.n_samples for arm in arms], dtype=np.float64)
    completion_qm = _mean(samples.completion_tokens_qmo)[:, columns] * n_m
    split_q = np.array([split_of(prompt) for prompt in samples.prompts])
    specs = select_specs(priced.prices, [samples.models[c] for c in columns], "the prices")
    return RouterData(
        prompts=samples.prompts,
        is_train_q=split_q == "train",
        is_validation_q=split_q == "validation",
        models=tuple(map(arm_spec, specs, arms)),
        loss=choice.loss,
        margin=margin,
        label_qm=grid.labels(choice.loss, margin),
        quality_qm=grid.quality(),
        prompt_tokens_qm=samples.prompt_tokens_qm[:, columns] * n_m,
        completion_tokens_qm=completion_qm,
        source=priced.source,
    )


def split_of(prompt: str) -> str:
    """Return ``train``, ``validation`` or ``test`` by the hash of a prompt: 80, 10 and 10 %."""
    digit = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % 10
    return "train" if digit < 8 else ("validation", "test")[digit - 8]


def arm_spec(spec: ModelSpec, arm: Arm) -> ModelSpec:
    """Return the spec of an arm, whose tokens are those of all its samples together."""
    return spec.model_copy(update={"id": str(arm)})


def _resolve_arms(samples: Samples, choice: LabelChoice) -> list[Arm]:
    names = choice.arms or samples.models
    names = tuple(dict.fromkeys(name for name in names if name != choice.reference))
    if not names:
        raise ConfigError("no arm besides the reference; name at least one")
    return [
        Arm(name) if name in samples.models else Arm.parse(name)
        for name in (*names, choice.reference)
    ]


def _column(samples: Samples, arm: Arm) -> int:
    name = str(arm.one_sample)
    if name not in samples.models:
        raise UnknownModelError(name, samples.models, "the samples")
    return samples.models.index(name)


def _scores(samples: Samples, name: str) -> FloatArray:
    if name not in samples.scores:
        raise ConfigError(
            f"the samples have no scores {name!r}; they have {', '.join(samples.scores)}"
        )
    return samples.scores[name]


def _mean(values_qmo: FloatArray) -> FloatArray:
    """Return the mean over known samples, NaN without any."""
    known_qmo = ~np.isnan(values_qmo)
    n_qm = known_qmo.sum(axis=-1)
    total_qm = np.where(known_qmo, values_qmo, 0.0).sum(axis=-1)
    mean_qm: FloatArray = np.full(n_qm.shape, np.nan)
    np.divide(total_qm, n_qm, out=mean_qm, where=n_qm > 0)
    return mean_qm


def _draw_weights(arm: Arm, score_qo: FloatArray, rank_qo: FloatArray | None) -> FloatArray:
    """Return the probability that each sample is the arm's answer, shape (n_prompts, n_samples).

    Rows of prompts with fewer samples than the arm draws are NaN.
    """
    n = arm.n_samples
    if n == 1:
        rank_qo = np.where(np.isnan(score_qo), np.nan, 0.0)
    elif rank_qo is None:
        raise ConfigError(f"arm {arm} needs --selector, the scores that choose among its samples")
    known_qo = ~np.isnan(score_qo + rank_qo)
    if known_qo.sum(axis=1).max(initial=0) < n:
        raise ConfigError(
            f"arm {arm} draws {n} samples, and no prompt has more than "
            f"{known_qo.sum(axis=1).max(initial=0)} of {arm.model}"
        )
    weight_qo = np.full(score_qo.shape, np.nan)
    order_qo = np.argsort(np.where(known_qo, rank_qo, np.inf), axis=1, kind="stable")
    for n_known in np.unique(known_qo.sum(axis=1)):
        rows = np.flatnonzero(known_qo.sum(axis=1) == n_known)
        if n_known >= n:
            ranked = np.zeros((len(rows), score_qo.shape[1]))
            ranked[:, :n_known] = rank_weights(int(n_known), n)
            np.put_along_axis(ranked, order_qo[rows], ranked.copy(), axis=1)
            weight_qo[rows] = ranked
    return weight_qo


@dataclass(frozen=True, slots=True)
class _ScoreGrid:
    """Scores of all models, and which of them each arm answers with; the last is the reference."""

    scores: FloatArray
    columns: list[int]
    weights: list[FloatArray]

    def quality(self) -> FloatArray:
        """Return the expected score of each arm, shape (n_prompts, n_arms)."""
        parts = zip(self.columns, self.weights, strict=True)
        return np.column_stack([_expected(self.scores[:, c], weight) for c, weight in parts])

    def matches(self, margin: float) -> FloatArray:
        """Return the probability that each arm but the reference matches it."""
        reference_qo = self.scores[:, self.columns[-1]]
        labels = []
        for column, weight_qo in zip(self.columns[:-1], self.weights[:-1], strict=True):
            score_qo = self.scores[:, column]
            at_least = score_qo[:, :, None] >= reference_qo[:, None, :] - margin
            known = ~np.isnan(score_qo[:, :, None] + reference_qo[:, None, :])
            match_qo = _mean(np.where(known, at_least, np.nan))
            labels.append(_expected(match_qo, weight_qo))
        return np.column_stack(labels)

    def labels(self, loss: Loss, margin: float) -> FloatArray:
        """Return the labels of a loss."""
        if not loss.startswith("det_"):
            return self.matches(margin)
        first_qm = self.scores[:, self.columns, 0]
        known_qm = ~np.isnan(first_qm)
        if loss == "det_ncls":
            best_q = np.argmax(np.where(known_qm, first_qm, -np.inf), axis=1)
            one_hot_qm = np.eye(len(self.columns))[best_q]
            return np.where(known_qm.all(axis=1, keepdims=True), one_hot_qm, np.nan)
        both_qm = known_qm & known_qm[:, -1:]
        slack = margin if loss == "det_2cls" else 0.0
        label_qm = np.where(both_qm, first_qm >= first_qm[:, -1:] - slack, np.nan)
        return label_qm[:, :-1] if loss == "det_2cls" else label_qm

    def widest_margin(self) -> float:
        """Return the margin whose labels differ most between prompts (Gini mean difference)."""
        gap_qm = self.quality()[:, -1:] - self.quality()[:, :-1]
        top = np.nanquantile(gap_qm, 0.99)
        grid_t = np.linspace(0, max(float(top), 0.0), N_MARGINS)
        spreads = [_mean_difference(self.matches(float(t))) for t in grid_t]
        return float(grid_t[int(np.argmax(spreads))])


def _expected(value_qo: FloatArray, weight_qo: FloatArray) -> FloatArray:
    used_qo = np.where(weight_qo > 0, value_qo, 0.0)
    expected_q: FloatArray = (used_qo * weight_qo).sum(axis=1)
    return expected_q


def _mean_difference(label_qm: FloatArray) -> float:
    """Return the mean absolute difference of two labels, averaged over arms."""
    parts = []
    for label_q in label_qm.T:
        ordered = np.sort(label_q[~np.isnan(label_q)])
        n = len(ordered)
        weights = 2 * np.arange(1, n + 1) - n - 1
        parts.append(2 * (weights * ordered).sum() / max(n, 1) ** 2)
    return float(np.mean(parts))
