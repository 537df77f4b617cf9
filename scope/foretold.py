"""What is foretold of questions before prices: the common word of all ways to foretell."""

from dataclasses import dataclass

from scope.arrays import Floats


@dataclass(frozen=True, slots=True)
class Foretold:
    """Correctness and length of every model on some questions.

    Attributes
    ----------
    p_correct_qm : ndarray of shape (n_questions, n_models)
        Within [0, 1]; NaN for a model never measured.
    tokens_sqm : ndarray of shape (3, n_questions, n_models)
        Completion tokens: expected, and the 10th and 90th percentile.
    familiarity_q : ndarray of shape (n_questions,)
        1 where the anchors speak for the question; below, they do so less and less, and
        what is foretold falls back to the models' means. NaN where nobody measured it.
    """

    p_correct_qm: Floats
    tokens_sqm: Floats
    familiarity_q: Floats
