"""Several responses of each model to each prompt, with their scores and token counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scope.arms import Arm
from scope.arrays import BoolArray, FloatArray
from scope.errors import ConfigError, join_names


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
    n_failed_qm : ndarray of shape (n_prompts, n_models), or None
        Calls that failed, which have no sample; None if none did.
    """

    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    scores: Mapping[str, FloatArray]
    prompt_tokens_qm: FloatArray
    completion_tokens_qmo: FloatArray
    responses_qm: tuple[tuple[tuple[str, ...], ...], ...] | None = None
    n_failed_qm: FloatArray | None = None

    @property
    def n_samples(self) -> int:
        """Most samples of a model on a prompt."""
        return int(self.completion_tokens_qmo.shape[2])

    @property
    def failed_qm(self) -> FloatArray:
        """Number of failed calls, 0 if none is recorded."""
        empty_qm = np.zeros(self.prompt_tokens_qm.shape)
        return empty_qm if self.n_failed_qm is None else self.n_failed_qm

    def known_qmo(self) -> BoolArray:
        """Return which samples exist: a text, a token count or a score of them is known."""
        known_qmo: BoolArray = ~np.isnan(self.completion_tokens_qmo)
        for score_qmo in self.scores.values():
            known_qmo |= ~np.isnan(score_qmo)
        if self.responses_qm is not None:
            n_texts_qm = np.array(
                [[len(texts) for texts in row] for row in self.responses_qm], dtype=np.int64
            ).reshape(self.prompt_tokens_qm.shape)
            known_qmo |= np.arange(self.n_samples) < n_texts_qm[:, :, None]
        return known_qmo

    def arm(self, name: str) -> Arm:
        """Return the arm with a name; the name of a column is that column, whatever it says."""
        return Arm(name) if name in self.models else Arm.parse(name)

    def scores_of(self, scorer: str) -> FloatArray:
        """Return the scores of one scorer.

        Raises
        ------
        ConfigError
            If there is no such scorer.
        """
        if scorer not in self.scores:
            raise ConfigError(
                f"the samples have no scores {scorer!r}; they have {join_names(self.scores)}"
            )
        return self.scores[scorer]


def take(
    samples: Samples, *, rows: Sequence[int] | None = None, models: Sequence[int] | None = None
) -> Samples:
    """Return some prompts and models, by their positions; None takes all.

    Examples
    --------
    >>> empty = np.zeros((2, 1, 1))
    >>> both = Samples(("a", "b"), ("A?", "B?"), ("m",), {}, empty[:, :, 0], empty)
    >>> take(both, rows=[1]).prompts
    ('B?',)
    """
    rows = range(len(samples.ids)) if rows is None else rows
    models = range(len(samples.models)) if models is None else models
    at = np.ix_(np.array(rows, dtype=np.int64), np.array(models, dtype=np.int64))
    responses, failed_qm = samples.responses_qm, samples.n_failed_qm
    return Samples(
        ids=tuple(samples.ids[q] for q in rows),
        prompts=tuple(samples.prompts[q] for q in rows),
        models=tuple(samples.models[m] for m in models),
        scores={name: score_qmo[at] for name, score_qmo in samples.scores.items()},
        prompt_tokens_qm=samples.prompt_tokens_qm[at],
        completion_tokens_qmo=samples.completion_tokens_qmo[at],
        responses_qm=responses and tuple(tuple(responses[q][m] for m in models) for q in rows),
        n_failed_qm=None if failed_qm is None else failed_qm[at],
    )
