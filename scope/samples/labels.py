"""Router labels: how likely an arm's answer is at least as good as the reference's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from scope.arms import Arm
from scope.arrays import BoolArray, FloatArray
from scope.errors import ConfigError, UnknownModelError
from scope.pool import ModelSpec
from scope.samples.best_of_n import check_judge, draw_weights, expected
from scope.samples.margin import MatchMargin, best_match_margin, search_margin
from scope.samples.matching import mean_known, sample_matches
from scope.samples.samples import Samples

LabelForm = Literal["det_2cls", "prob_2cls", "prob_nlabels", "det_nlabels", "det_ncls"]
"""HybridLLM's hard and soft labels, BEST-Route's labels, and its two baselines."""

LABEL_FORMS: tuple[LabelForm, ...] = get_args(LabelForm)


def match_labels(
    score_qmo: FloatArray,
    reference_qo: FloatArray,
    margin: float = 0.0,
    weight_qmo: FloatArray | None = None,
) -> FloatArray:
    """Return the probability that an arm's answer is at least as good as the reference's.

    ``y = sum_i w_i * mean_j 1[a_i >= b_j - margin]`` over the samples of arm and reference:
    ``prob_2cls`` with one arm, ``prob_nlabels`` with several.

    Parameters
    ----------
    score_qmo : ndarray of shape (n_prompts, n_arms, n_samples)
        Scores ``a`` of the arms' samples; NaN where there is none.
    reference_qo : ndarray of shape (n_prompts, n_reference_samples)
        Scores ``b`` of the reference's samples; NaN where there is none.
    margin : float
        How much worse than the reference still matches, in the unit of the scores.
    weight_qmo : ndarray of the shape of `score_qmo`, optional
        Of `draw_weights`; None weighs all samples of an arm the same.

    Returns
    -------
    ndarray of shape (n_prompts, n_arms)
        In [0, 1]; NaN where the arm or the reference has no sample.

    References
    ----------
    .. [1] "Hybrid LLM", arXiv:2404.14618, equations 2 and 4.
    .. [2] "BEST-Route", arXiv:2506.22716, equation 5.

    Examples
    --------
    >>> match_labels(np.array([[[0.2, 0.8]]]), np.array([[0.5, 0.1]]))
    array([[0.75]])
    """
    match_qmo = sample_matches(score_qmo, reference_qo, margin)
    label_qm = mean_known(match_qmo) if weight_qmo is None else expected(match_qmo, weight_qmo)
    return np.minimum(label_qm, 1.0)  # rounding of the weights


@dataclass(frozen=True, slots=True)
class ArmScores:
    """Scores of arms on prompts, and the weights of the samples they answer with.

    Attributes
    ----------
    arms : tuple of Arm
        The reference last.
    columns : tuple of int
        Column of each arm in `score_qmo`; arms of one model share it.
    score_qmo : ndarray of shape (n_prompts, n_models, n_samples)
        Scores that measure quality.
    selector_qmo : ndarray of the same shape, or None
        Scores that choose among the samples of ``model@n``.
    weights : tuple of ndarray of shape (n_prompts, n_samples)
        One of each arm: the probability that a sample is its answer; 0 where there is none,
        NaN on prompts with fewer samples than the arm draws.
    scorer, selector : str, and str or None
        Names of these scores.
    """

    arms: tuple[Arm, ...]
    columns: tuple[int, ...]
    score_qmo: FloatArray
    selector_qmo: FloatArray | None
    weights: tuple[FloatArray, ...]
    scorer: str = "correct"
    selector: str | None = None

    @classmethod
    def of(
        cls,
        samples: Samples,
        reference: str,
        arms: Sequence[str] = (),
        *,
        scorer: str = "correct",
        selector: str | None = None,
    ) -> "ArmScores":
        """Return the scores of some arms of `samples`.

        Parameters
        ----------
        samples : Samples
        reference : str
            Arm that every other one is compared with.
        arms : sequence of str
            The reference may be among them; empty means every model.
        scorer : str
            Scores that measure quality.
        selector : str, optional
            Scores that choose the best of n; needed by arms ``model@n`` that are no column.

        Raises
        ------
        ConfigError
            If a scorer is unknown, or an arm draws more samples than any prompt has.
        EvaluationError
            If scorer and selector are the same.
        UnknownModelError
            If the samples lack a model.
        """
        check_judge(scorer, selector)
        names = dict.fromkeys(name for name in (arms or samples.models) if name != reference)
        if not names:
            raise ConfigError("no arm besides the reference; name at least one")
        parsed = tuple(samples.arm(name) for name in (*names, reference))
        columns = tuple(_column(samples, arm) for arm in parsed)
        score_qmo = samples.scores_of(scorer)
        selector_qmo = None if selector is None else samples.scores_of(selector)
        weights = tuple(
            _weights(arm, score_qmo[:, m], None if selector_qmo is None else selector_qmo[:, m])
            for arm, m in zip(parsed, columns, strict=True)
        )
        return cls(parsed, columns, score_qmo, selector_qmo, weights, scorer, selector)

    def quality(self) -> FloatArray:
        """Return the expected score of each arm's answer, shape (n_prompts, n_arms)."""
        parts = zip(self.columns, self.weights, strict=True)
        return np.column_stack([expected(self.score_qmo[:, m], w_qo) for m, w_qo in parts])

    def matches(self, margin: float = 0.0) -> FloatArray:
        """Return `match_labels` of every arm but the reference, shape (n_prompts, n_arms - 1)."""
        used = sorted(set(self.columns[:-1]))
        reference_qo = self.score_qmo[:, self.columns[-1]]
        match_qmo = sample_matches(self.score_qmo[:, used], reference_qo, margin)
        parts = zip(self.columns[:-1], self.weights[:-1], strict=True)
        labels = [expected(match_qmo[:, used.index(m)], w_qo) for m, w_qo in parts]
        return np.minimum(np.column_stack(labels), 1.0)  # rounding of the weights

    def first_scores(self) -> FloatArray:
        """Return the score of each arm's first answer, shape (n_prompts, n_arms).

        Of an arm with n samples, the one among the first n that the selector scores highest.
        """
        parts = []
        for arm, column in zip(self.arms, self.columns, strict=True):
            score_qo = self.score_qmo[:, column]
            n = arm.n_samples
            if n == 1 or self.selector_qmo is None:
                parts.append(score_qo[:, 0])
                continue
            selector_qo = self.selector_qmo[:, column, :n]
            best_q = np.where(np.isnan(selector_qo), -np.inf, selector_qo).argmax(axis=1)
            known_q = ~np.isnan(selector_qo).any(axis=1)
            picked_q = np.take_along_axis(score_qo, best_q[:, None], axis=1)[:, 0]
            parts.append(np.where(known_q, picked_q, np.nan))
        return np.column_stack(parts)

    def labels(self, form: LabelForm, margin: float = 0.0) -> FloatArray:
        """Return router labels, NaN where an arm or the reference has no score.

        Parameters
        ----------
        form : LabelForm
            ``prob_2cls`` and ``prob_nlabels``: match probability over all pairs of samples.
            ``det_2cls``: 1 if the first sample matches. ``det_nlabels``: the same of every arm
            with the reference, without a margin. ``det_ncls``: 1 for the arm, or reference, of
            the best first sample. The forms of two classes need one arm.
        margin : float
            How much worse than the reference still matches; ``det_nlabels`` and ``det_ncls``
            have none.

        Returns
        -------
        ndarray of shape (n_prompts, n_arms - 1), or (n_prompts, n_arms) of the last two
        """
        if form.endswith("2cls") and len(self.arms) != 2:
            raise ConfigError(
                f"{form} compares one arm with the reference, and {len(self.arms) - 1} are given; "
                "choose prob_nlabels, or name one arm"
            )
        if form.startswith("prob_"):
            return self.matches(margin)
        first_qm = self.first_scores()
        known_qm = ~np.isnan(first_qm)
        if form == "det_ncls":
            best_q = np.where(known_qm, first_qm, -np.inf).argmax(axis=1)
            is_best_qm = np.eye(len(self.arms))[best_q]
            return np.where(known_qm.all(axis=1, keepdims=True), is_best_qm, np.nan)
        slack = margin if form == "det_2cls" else 0.0
        match_qm = (first_qm >= first_qm[:, -1:] - slack).astype(np.float64)
        label_qm = np.where(known_qm & known_qm[:, -1:], match_qm, np.nan)
        return label_qm[:, :-1] if form == "det_2cls" else label_qm

    def best_margin(self, form: LabelForm, is_train_q: BoolArray | None = None) -> MatchMargin:
        """Return t*, the margin whose labels of a form differ most between training prompts."""
        if not form.startswith("prob_") and form != "det_2cls":
            return MatchMargin(0.0, float("nan"), float("nan"), f"{form} has no margin")
        keep_q = slice(None) if is_train_q is None else is_train_q
        if form == "det_2cls":
            first_qm = self.first_scores()[keep_q]
            return best_match_margin(first_qm[:, :-1, None], first_qm[:, -1:])
        kept = replace(
            self,
            score_qmo=self.score_qmo[keep_q],
            weights=tuple(weight_qo[keep_q] for weight_qo in self.weights),
        )
        models = sorted(set(self.columns[:-1]))  # each once, however many arms it has
        reference_qo = kept.score_qmo[:, self.columns[-1]]
        return search_margin(kept.score_qmo[:, models], reference_qo, kept.matches)


def arm_costs(
    samples: Samples, arms: Sequence[Arm], prices: Mapping[str, ModelSpec], is_train_q: BoolArray
) -> FloatArray:
    """Return what each arm is expected to cost on each prompt, in USD.

    ``in_tokens(q) * price_in + n * mean_out_tokens * price_out``. The mean length of a model is
    that of the training prompts, never that of the answer it has yet to give.

    Returns
    -------
    ndarray of shape (n_prompts, n_arms)
        NaN where token counts are unknown.
    """
    costs = []
    for arm in arms:
        column = _column(samples, arm)
        spec = prices[samples.models[column]]
        length_qo = samples.completion_tokens_qmo[is_train_q, column]
        mean_tokens = float(mean_known(length_qo.reshape(1, -1))[0])
        prompt_q = samples.prompt_tokens_qm[:, column]
        costs.append(spec.cost_usd(prompt_q, np.full_like(prompt_q, arm.n_samples * mean_tokens)))
    return np.column_stack(costs)


def _column(samples: Samples, arm: Arm) -> int:
    name = str(arm.one_sample)
    if name not in samples.models:
        raise UnknownModelError(name, samples.models, "the samples")
    return samples.models.index(name)


def _weights(arm: Arm, score_qo: FloatArray, selector_qo: FloatArray | None) -> FloatArray:
    """Return the probability that each sample is the arm's answer, shape (n_prompts, n_samples)."""
    if arm.n_samples == 1:
        return draw_weights(np.where(np.isnan(score_qo), np.nan, 0.0), 1)
    if selector_qo is None:
        raise ConfigError(f"arm {arm} needs a selector: the scores that choose among its samples")
    known_qo = ~np.isnan(score_qo + selector_qo)
    most = int(known_qo.sum(axis=1).max(initial=0))
    if most < arm.n_samples:
        raise ConfigError(
            f"arm {arm} draws {arm.n_samples} samples, and no prompt has more than {most} "
            f"of {arm.model}"
        )
    return draw_weights(np.where(known_qo, selector_qo, np.nan), arm.n_samples)
