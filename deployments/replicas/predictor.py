"""The work of a Predictor replica: predictions of a bank for embedded prompts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deployments.protocol import Prediction, PredictionRequest, ReasoningRequest, ReasoningResult
from deployments.protocol.remote_call import RemoteMethod
from deployments.replicas.reasoner import EngineReasoner, ReasonerArgs
from deployments.replicas.selective_reasoning import answer_request
from scope.arrays import Float32Array
from scope.bank import load_bank
from scope.errors import ConfigError
from scope.predictor import AnchorPredictor
from scope.reasoner import PromptTokenizer


class Predictor:
    """Predicts outcomes of the models of a bank, and queries the reasoner about them.

    Parameters
    ----------
    bank : str
        Folder of the bank.
    reasoner : ReasonerArgs, optional
    engine : RemoteMethod, optional
        Engine of the reasoner.
    """

    def __init__(
        self, bank: str, reasoner: ReasonerArgs | None = None, engine: RemoteMethod | None = None
    ) -> None:
        self._bank = load_bank(Path(bank))
        self._predictor = AnchorPredictor(self._bank)
        self._reasoner = None
        if reasoner is not None and engine is not None:
            tokens = PromptTokenizer.load(
                reasoner.checkpoint, reasoner.revision, reasoner.trust_remote_code
            )
            self._reasoner = EngineReasoner(
                self._bank, reasoner, tokens, engine, reasoner.max_cached_answers
            )

    def predict(self, calls: Sequence[PredictionRequest]) -> list[list[Prediction] | None]:
        """Return the predictions of each call; None for a call for another bank.

        During the roll-out of a new bank, Routers and Predictors of both banks run.
        """
        matching = [call for call in calls if call.bank == self._bank.version]
        if not matching:
            return [None for _ in calls]
        estimates, near = self._predictor.predict(
            np.concatenate([call.embedding_qd for call in matching]),
            np.concatenate([call.features_qf for call in matching]),
            known_facts=[call.fact for call in matching for _ in call.embedding_qd],
            second_qy=self._second_vectors(matching),
        )
        rows = iter(Prediction.from_batch(estimates, near))
        return [
            [next(rows) for _ in call.embedding_qd] if call.bank == self._bank.version else None
            for call in calls
        ]

    def _second_vectors(self, calls: Sequence[PredictionRequest]) -> Float32Array | None:
        """Return the vectors of the second encoder; NaN for the calls without them."""
        if self._bank.second is None or all(call.second_qy is None for call in calls):
            return None
        dimension = self._bank.second.embedder.dimension
        return np.concatenate(
            [
                np.full((len(call.embedding_qd), dimension), np.nan, dtype=np.float32)
                if call.second_qy is None
                else call.second_qy
                for call in calls
            ]
        )

    async def reason(self, request: ReasoningRequest) -> list[ReasoningResult] | None:
        """Query the reasoner; return one result per question, None for another bank."""
        if request.bank != self._bank.version or self._reasoner is None:
            return None
        return await answer_request(self._bank, self._reasoner, request)

    def check_health(self) -> None:
        """Raise `ConfigError` if there is no prediction for an anchor of the bank."""
        features_qf = self._bank.features_af[:1]
        vector_qd = self._bank.embedding_ad[:1].astype(np.float32)
        estimates, _ = self._predictor.predict(vector_qd, features_qf)
        if not np.isfinite(estimates.p_correct_qm).any():
            raise ConfigError("the predictor has no prediction for an anchor of its own bank")
