"""Query the reasoner: build the prompt, call the engine, parse the prediction."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cachetools import LRUCache
from pydantic import Field

from deployments.protocol.remote_call import RemoteMethod
from scope.arrays import IntArray
from scope.bank import Bank, nearest_examples
from scope.errors import ConfigError
from scope.reasoner import (
    EngineConfig,
    PromptBuilder,
    PromptTokenizer,
    ReasonerConfig,
    ReasonerPrediction,
    ReasonerSpec,
    average_predictions,
    parse_prediction,
    sampling_params,
)

TEMPLATE_TOKENS = 300
"""Length of a prompt without the texts of anchors and question."""

CHARS_PER_TOKEN = 4.0
"""Of English text; used only to estimate the cost of a query."""


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
    """Predicts the outcome of one model on one question with the engine.

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
        Maximum number of cached predictions, some 200 bytes each.
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
        self._prompt_builder = PromptBuilder.from_config(config, tokens)
        for model in bank.model_ids:
            self._prompt_builder.build(model, [], "")  # raises now if the context is too short
        # Fast tokenizers refuse two threads at once ("Already borrowed").
        self._prompt_thread = ThreadPoolExecutor(1, thread_name_prefix="prompts")
        self._sampling = {**sampling_params(config, tokens), "n": config.samples}
        self._cache: LRUCache[bytes, ReasonerPrediction] = LRUCache(max_cached)

    def cached(self, text: str, m: int) -> ReasonerPrediction | None:
        """Return the cached prediction of the m-th model, None if there is none."""
        return self._cache.get(self._key(text, m))

    async def query(
        self, text: str, anchor_k: IntArray, m: int, *, timeout_s: float, slow_call_s: float
    ) -> ReasonerPrediction:
        """Return the engine's prediction for a model on a question.

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
            self._prompt_thread, self.prompt, text, anchor_k, m
        )
        replies: Sequence[Continuation] = await self._engine.call(
            EngineRequest(prompt, self._sampling), timeout_s=timeout_s, slow_call_s=slow_call_s
        )
        prediction = average_predictions([self._parse(reply) for reply in replies])
        if not math.isnan(prediction.p_yes):
            self._cache[self._key(text, m)] = prediction
        return prediction

    def estimate_tokens(self, text: str, anchor_k: IntArray, m: int) -> float:
        """Estimate the tokens of a query: prompt, reasoning and prediction."""
        examples = nearest_examples(self._bank, anchor_k, m, self._config.n_examples)
        chars = len(text) + sum(len(example.question) for example in examples)
        prompt = TEMPLATE_TOKENS + chars / CHARS_PER_TOKEN
        return min(prompt, self._config.max_prompt_tokens()) + self._config.max_new_tokens()

    def prompt(self, text: str, anchor_k: IntArray, m: int) -> str:
        """Return the prompt of a query."""
        examples = nearest_examples(self._bank, anchor_k, m, self._config.n_examples)
        return self._prompt_builder.build(self._bank.model_ids[m], examples, text)

    def _parse(self, reply: Continuation) -> ReasonerPrediction:
        return parse_prediction(
            reply.text,
            reply.token_ids,
            reply.logprobs,
            self._tokens.yes_id,
            self._tokens.no_id,
            reasoning=self._config.reasoning,
            temperature=self._config.temperature,
        )

    def _key(self, text: str, m: int) -> bytes:
        key = f"{self._bank.version}\0{self._bank.model_ids[m]}\0{text}"
        return hashlib.sha256(key.encode()).digest()


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
        If it has no texts, was fitted for none or another (names what differs), or is queried by
        one prompt for the whole pool, which only offline commands do.
    """
    if args.form == "pool":
        raise ConfigError(
            "reasoner.form is 'pool', which scope bank fit and scope predict can query; the "
            "endpoint asks about one model at a time and needs form 'model' and a bank fitted so"
        )
    bank.require_prompts()
    bank.require_reasoner(ReasonerSpec.from_config(args))
