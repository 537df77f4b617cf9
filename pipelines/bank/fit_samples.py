"""Fit what several samples of a bank's models are worth, from graded samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scope.arms import Arm, FittedResampling, fit_resampling
from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.embedding import text_features
from scope.errors import ConfigError, join_names
from scope.pool import ModelSpec, Resampling
from scope.predictor import AnchorPredictor
from scope.questions import final_answer
from scope.samples import Samples, take

MAJORITY = "majority"
JUDGE = "correct"
"""Scorer of `Samples` that holds the grades."""

PRIOR = Resampling(concentration=0.5, odds=0.6 / 0.4, selector=MAJORITY, source="assumed")
"""A cautious prior where no samples are known: kappa .5, and an AUC of .6 of the selector."""


@dataclass(frozen=True, slots=True)
class SamplesFit:
    """A bank that knows its models' samples, and how they were fitted.

    Attributes
    ----------
    bank : Bank
    fits : tuple of FittedResampling
        One for each model with samples.
    assumed : tuple of str
        Models that got the prior.
    """

    bank: Bank
    fits: tuple[FittedResampling, ...]
    assumed: tuple[str, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Models whose samples stay unknown."""
        return tuple(model.id for model in self.bank.models if model.resampling is None)


def fit_samples(
    bank: Bank,
    samples: Samples | None,
    selector: str,
    *,
    assume: bool,
    selector_usd_per_mtok: float = 0.0,
) -> SamplesFit:
    """Fit the concentration of each model and the quality of a selector.

    Parameters
    ----------
    bank : Bank
        Predicts the probability that one sample is correct; a prompt that is one of its anchors
        is left out of its own prediction.
    samples : Samples or None
        Graded by the scorer ``correct``; None: nothing but the prior.
    selector : str
        ``majority``, or a scorer of the samples.
    assume : bool
        Give models without samples the prior.
    selector_usd_per_mtok : float
        Price of a million tokens that the selector reads.

    Raises
    ------
    ConfigError
        If the samples are of none of the models, are not graded, or do not suffice.
    """
    fits: tuple[FittedResampling, ...] = ()
    if samples is not None:
        fits = _fit(bank, samples, selector)
    found = {fit.model: fit.resampling for fit in fits}
    prior = PRIOR.model_copy(update={"selector": selector})
    price = {"selector_usd_per_mtok": selector_usd_per_mtok}
    models, assumed = list[ModelSpec](), list[str]()
    for model in bank.models:
        resampling = found.get(model.id, model.resampling)
        if resampling is None and assume and Arm.parse(model.id).n_samples == 1:
            resampling = prior
            assumed.append(model.id)
        if resampling is not None:
            resampling = resampling.model_copy(update=price)
        models.append(model.model_copy(update={"resampling": resampling}))
    return SamplesFit(replace(bank, models=tuple(models)), fits, tuple(assumed))


def _fit(bank: Bank, samples: Samples, selector: str) -> tuple[FittedResampling, ...]:
    known = [m for m, name in enumerate(samples.models) if name in bank.model_ids]
    if not known:
        raise ConfigError(
            f"the samples are of {join_names(samples.models)}, none of which is in the bank; "
            f"it has {join_names(bank.model_ids)}"
        )
    if selector == JUDGE:
        raise ConfigError(
            f"selector {JUDGE!r} is the grade itself, which is not known when an answer is "
            f"chosen; expected {MAJORITY} or a reward model's scorer"
        )
    samples = take(samples, models=known)
    correct_qmo = samples.scores_of(JUDGE)
    columns = [bank.model_ids.index(name) for name in samples.models]
    p_qm = _one_sample_probability(bank, samples)[:, columns]
    if selector == MAJORITY:
        return fit_resampling(
            samples.models, p_qm, correct_qmo, MAJORITY, answer_qmo=answer_codes(samples)
        )
    score_qmo = samples.scores_of(selector)
    return fit_resampling(samples.models, p_qm, correct_qmo, selector, score_qmo=score_qmo)


def _one_sample_probability(bank: Bank, samples: Samples) -> FloatArray:
    """Return the bank's prediction for each prompt, (n_prompts, n_models of the bank)."""
    from scope.embedding.encoder import Encoder

    anchor_of = {text: anchor for anchor, text in enumerate(bank.prompts or ())}
    id_of = {name: anchor for anchor, name in enumerate(bank.ids)}
    self_q = [
        anchor_of.get(prompt, id_of.get(name, -1))
        for name, prompt in zip(samples.ids, samples.prompts, strict=True)
    ]
    second_qy = None
    if bank.second_in_use is not None:
        second_qy = Encoder.from_spec(bank.second_in_use.embedder).encode(samples.prompts)
    estimates, _ = AnchorPredictor(bank).predict(
        Encoder.from_spec(bank.embedder).encode(samples.prompts),
        text_features(samples.prompts),
        np.array(self_q),
        second_qy=second_qy,
    )
    return estimates.p_correct_qm


def answer_codes(samples: Samples) -> IntArray:
    """Return the final answers as numbers within each prompt and model; -1 for none."""
    if samples.responses_qm is None:
        raise ConfigError(
            f"the samples have no texts, and {MAJORITY} counts final answers; pass a file with "
            "responses, or --selector with the name of a reward model's scorer"
        )
    code_qmo = np.full(samples.completion_tokens_qmo.shape, -1)
    for q, (prompt, row) in enumerate(zip(samples.prompts, samples.responses_qm, strict=True)):
        for m, replies in enumerate(row):
            code_qmo[q, m, : len(replies)] = _codes(
                [final_answer(text, prompt) for text in replies]
            )
    return code_qmo


def _codes(answers: Sequence[str]) -> list[int]:
    """Return a number for each distinct answer, -1 for an empty one."""
    code_of: dict[str, int] = {}
    return [code_of.setdefault(answer, len(code_of)) if answer else -1 for answer in answers]
