"""Several responses of each model to each prompt, with their scores and token counts."""

from collections.abc import Mapping
from dataclasses import dataclass

from scope.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of models on prompts, all in one order; NaN where a sample was never drawn.

    Attributes
    ----------
    ids, prompts : tuple of str
    models : tuple of str
        Names of arms with one sample.
    scores : mapping of str to ndarray of shape (n_prompts, n_models, n_samples)
        Scorer -> its scores, higher is better: ``correct`` is a grade in [0, 1], other names
        are reward models. NaN where a sample has no score.
    prompt_tokens_qm : ndarray of shape (n_prompts, n_models)
    completion_tokens_qmo : ndarray of shape (n_prompts, n_models, n_samples)
    responses_qm : tuple of tuple of tuple of str, or None
        Texts of the samples, by prompt and model; None where they were dropped.
    """

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    scores: Mapping[str, FloatArray]
    prompt_tokens_qm: FloatArray
    completion_tokens_qmo: FloatArray
    responses_qm: tuple[tuple[tuple[str, ...], ...], ...] | None = None
