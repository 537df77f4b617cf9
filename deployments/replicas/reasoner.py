"""Query the reasoner: build the prompt, call the engine, parse the prediction."""

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cachetools import LRUCache
from pydantic import Field

from deployments.protocol.remote_call import RemoteMethod
from scope.arrays import IntArray
from scope.bank import Bank, BankPrompts
from scope.reasoner import (
    EngineConfig,
    PromptTokenizer,
    ReasonerConfig,
    ReasonerPrediction,
    ReasonerSpec,
    average_predictions,
    parse_predictions,
    sampling_params,
)

TEMPLATE_TOKENS = 300
"""Length of a prompt without the texts of anchors and question."""

CHARS_PER_TOKEN = 4.0
"""Of English text; used only to estimate the cost of a query."""

RECORD_TOKENS = 13
"""Of an outcome in a prompt about a pool, and of a model's name."""

Answers = Mapping[int, ReasonerPrediction]
"""Predictions by model; NaN where a reply has none."""


class EngineRequest(NamedTuple):
    """A prompt for the engine to continue."""

    prompt: str
    """Including the chat template."""
    sampling: dict[str, Any]
    """Sampling parameters of vLLM, from `sampling_params`."""


class Continuation(NamedTuple):
    """One continuation, of types that need no vLLM."""

    text: str
    token_ids: list[int]
    logprobs: list[dict[int, float]]
    """For each token, the log-probabilities of the most probable ids."""


class EngineReasoner:
    """Predicts the outcomes of models on one question with the engine.

    Parameters
    ----------
    bank : Bank
        With question texts.
    config : ReasonerConfig
    tokens : PromptTokenizer
        Of the checkpoint that the engine runs.
    engine : RemoteMethod
        Maps an `EngineRequest` to a list of `Continuation`.
    max_cached : int
        Maximum number of cached predictions, some 200 bytes each; with form ``pool`` at least those
        of one question.
    """

    def __init__(
        self,
        bank: Bank,
        config: ReasonerConfig,
        tokens: PromptTokenizer,
        engine: RemoteMethod,
        max_cached: int,
    ) -> None:
        self._bank, self._config, self._tokens, self._engine = bank, config, tokens, engine
        self._prompts = BankPrompts(bank, config, tokens)
        self._n_models = len(self.answered_with(0))
        # Fast tokenizers refuse two threads at once ("Already borrowed").
        self._prompt_thread = ThreadPoolExecutor(1, thread_name_prefix="prompts")
        self._sampling = {**sampling_params(config, tokens, self._n_models), "n": config.samples}
        self._cache: LRUCache[bytes, Answers] = LRUCache(
            max(max_cached, self._n_models), getsizeof=len
        )

    @property
    def asks_about_all(self) -> bool:
        """Whether one query is about all models of the bank."""
        return self._config.form == "pool"

    def answered_with(self, m: int) -> range:
        """Return the columns of the models that a query about the m-th one is about."""
        return self._prompts.columns(m)

    def cached(self, text: str, m: int) -> Answers | None:
        """Return the cached answers of a query about the m-th model, None if there are none."""
        return self._cache.get(self._key(text, m))

    async def query(
        self, text: str, anchor_k: IntArray, m: int, *, timeout_s: float, slow_call_s: float
    ) -> Answers:
        """Return the engine's predictions for a question: of one model, or of all in the bank.

        Parameters
        ----------
        text : str
            Text of the question.
        anchor_k : ndarray of int, shape (n_near,)
            The nearest anchors, nearest first.
        m : int
            Index of the model in the bank.
        timeout_s, slow_call_s : float
            As for `RemoteCall.call`.

        Raises
        ------
        RemoteCallError
            If the engine does not reply in time, or at all.
        """
        # Tokenizing takes milliseconds and must not block the event loop.
        prompt = await asyncio.get_running_loop().run_in_executor(
            self._prompt_thread, self._prompts.build, text, anchor_k, m
        )
        replies: Sequence[Continuation] = await self._engine.call(
            EngineRequest(prompt, self._sampling), timeout_s=timeout_s, slow_call_s=slow_call_s
        )
        lines = zip(*map(self._parse, replies), strict=True)
        answers = {
            column: _usable(average_predictions(line))
            for column, line in zip(self.answered_with(m), lines, strict=True)
        }
        if not any(math.isnan(answer.p_yes) for answer in answers.values()):
            self._cache[self._key(text, m)] = answers
        return answers

    def estimate_tokens(self, text: str, anchor_k: IntArray, m: int) -> float:
        """Estimate the tokens of a query: prompt, reasoning and predictions."""
        examples, n_models = self._prompts.examples(anchor_k, m), self._n_models
        chars = len(text) + sum(len(example.question) for example in examples)
        records = (n_models - 1) * (len(examples) + 1) * RECORD_TOKENS
        prompt = TEMPLATE_TOKENS + chars / CHARS_PER_TOKEN + records
        limit = self._config.max_prompt_tokens(n_models)
        return min(prompt, limit) + self._config.max_new_tokens(n_models)

    def _parse(self, reply: Continuation) -> list[ReasonerPrediction]:
        return parse_predictions(
            *reply,
            self._tokens.yes_id,
            self._tokens.no_id,
            config=self._config,
            n_models=self._n_models,
        )

    def _key(self, text: str, m: int) -> bytes:
        models = [self._bank.model_ids[column] for column in self.answered_with(m)]
        key = "\0".join((self._bank.version, *models, text))
        return hashlib.sha256(key.encode()).digest()


def _usable(prediction: ReasonerPrediction) -> ReasonerPrediction:
    """Return a prediction, without its length if it has no probability, as offline."""
    return ReasonerPrediction() if math.isnan(prediction.p_yes) else prediction


class ReasonerArgs(ReasonerConfig):
    """``args: reasoner`` of serve_config.yaml; without it there is no reasoner."""

    template: Annotated[Path | None, Field(strict=False)] = None  # YAML has no paths
    """Jinja template of the prompt, on every node; None: the default template."""
    engine: EngineConfig = EngineConfig()
    """Settings of one engine; the deployment block of `ScopeEngine` sets their number."""
    max_cached_answers: int = Field(default=100_000, ge=1)
    """Predictions that each Predictor replica caches, some 200 bytes each."""


def check_reasoner(args: ReasonerArgs, bank: Bank) -> None:
    """Check that a bank has question texts and was fitted for this reasoner.

    Raises
    ------
    ConfigError
        If it has no texts, or was fitted for none or another (names what differs), or the context
        has no room for the reply.
    """
    bank.require_prompts()
    bank.require_reasoner(ReasonerSpec.from_config(args))
    args.max_prompt_tokens(len(bank.models))
