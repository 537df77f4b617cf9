"""The work of a Selector replica: a reward model that scores several answers to one prompt."""

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deployments.protocol import SelectionRequest
from deployments.replicas.stuck import check_not_stuck
from scope.config import StrictModel
from scope.errors import ConfigError
from scope.learned import RewardModel, TextForm


class SelectorArgs(StrictModel):
    """``args: selector``: the reward model that chooses among several samples."""

    model: str
    """Folder of ``scope train reward``, or a sequence-classification model by folder or name."""
    form: TextForm = "human_assistant"
    """How prompt and answer become one text; ``chat`` for models such as ArmoRM."""
    trust_remote_code: bool = False
    """Run code that comes with the model."""

    def check(self) -> None:
        """Check that a folder of a reward model is there; a name is only resolved by a replica.

        Raises
        ------
        ConfigError
            If the path is absolute or relative, and no folder.
        """
        is_path = self.model.startswith((".", "/", "~"))
        if is_path and not Path(self.model).expanduser().is_dir():
            raise ConfigError(f"args.selector.model {self.model} is no folder of a reward model")

    def load(self) -> RewardModel:
        """Load the reward model.

        Raises
        ------
        ConfigError
            If it cannot be loaded.
        """
        return RewardModel.load(
            self.model, form=self.form, trust_remote_code=self.trust_remote_code
        )


class Selector:
    """Scores answers with a reward model.

    Parameters
    ----------
    args : SelectorArgs
    """

    def __init__(self, args: SelectorArgs) -> None:
        self._model = args.load()
        self._began_at: float | None = None
        self._lock = threading.Lock()

    def score(self, calls: Sequence[SelectionRequest]) -> list[list[float]]:
        """Return the score of each answer of each call, NaN where there is none; this blocks."""
        prompts = [call.prompt for call in calls for _ in call.responses]
        responses = list(itertools.chain.from_iterable(call.responses for call in calls))
        with self._lock:  # two batches at once would not be faster
            self._began_at = time.monotonic()
            try:
                score_n = self._model.score(prompts, responses)
            finally:
                self._began_at = None
        ends = np.cumsum([len(call.responses) for call in calls])
        parts: list[list[Any]] = [part.tolist() for part in np.split(score_n, ends[:-1])]
        return parts

    def check_health(self) -> None:
        """Raise `ConfigError` if a batch is stuck."""
        check_not_stuck(self._began_at)


def n_responses(calls: Sequence[SelectionRequest]) -> int:
    """Return the size of a batch, in answers; a single call always fits."""
    return 1 if len(calls) == 1 else sum(len(call.responses) for call in calls)
