"""The reasoner at work: a question and a model to a prompt, to the engine, to an answer."""

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
"""Of a prompt without any text of anchors and question."""

CHARS_PER_TOKEN = 4.0
"""Of English; only the price of asking is estimated by it."""


class EngineRequest(NamedTuple):
    """What the engine is asked to continue."""

    prompt: str
    """All of it, wrapped as a chat."""
    sampling: dict[str, Any]
    """As `scope.reasoner.answers.sampling` says, under vLLM's names."""


class Continuation(NamedTuple):
    """One continuation, in values that need no vLLM to be read."""

    text: str
    token_ids: list[int]
    logprobs: list[dict[int, float]]
    """Of each token: the likeliest ids there."""


class EngineReasoner:
    """Has the engine foretell one model on one question.

    Parameters
    ----------
    bank : Bank
        With question texts.
    config : ReasonerConfig
    tokens : PromptTokenizer
        Of the checkpoint that the engine runs.
    engine : RemoteMethod
        Takes a `EngineRequest`, gives a list of `Continuation`.
    max_cached : int
        Most answers kept, some 200 bytes each.
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
        self._writer = PromptBuilder.from_config(config, tokens)
        for model in bank.model_ids:
            self._writer.build(model, [], "")  # refused now rather than with the first question
        # Fast tokenizers refuse two threads at once ("Already borrowed").
        self._one_thread = ThreadPoolExecutor(1, thread_name_prefix="prompts")
        self._sampling = {**sampling_params(config, tokens), "n": config.samples}
        self._kept: LRUCache[bytes, ReasonerPrediction] = LRUCache(max_cached)

    def cached(self, text: str, m: int) -> ReasonerPrediction | None:
        """Return what was answered before; None if it is not kept."""
        return self._kept.get(self._key(text, m))

    async def query(
        self, text: str, anchor_k: IntArray, m: int, *, timeout_s: float, slow_call_s: float
    ) -> ReasonerPrediction:
        """Return what the engine says of a model.

        Parameters
        ----------
        text : str
            The question.
        anchor_k : ndarray of int, shape (n_near,)
            The nearest anchors, nearest first.
        m : int
            Column of the bank.
        timeout_s, slow_call_s : float
            As for `Hop.ask`.

        Raises
        ------
        HopError
            If there is no answer, or none in time.
        """
        # Tokenizing takes milliseconds that others must not wait for.
        prompt = await asyncio.get_running_loop().run_in_executor(
            self._one_thread, self.prompt, text, anchor_k, m
        )
        replies: Sequence[Continuation] = await self._engine.call(
            EngineRequest(prompt, self._sampling), timeout_s=timeout_s, slow_call_s=slow_call_s
        )
        answer = average_predictions([self._read(reply) for reply in replies])
        if not math.isnan(answer.p_yes):
            self._kept[self._key(text, m)] = answer
        return answer

    def estimate_tokens(self, text: str, anchor_k: IntArray, m: int) -> float:
        """Estimate what asking takes of the engine: prompt, reasoning and answer."""
        examples = nearest_examples(self._bank, anchor_k, m, self._config.n_examples)
        chars = len(text) + sum(len(example.question) for example in examples)
        prompt = TEMPLATE_TOKENS + chars / CHARS_PER_TOKEN
        return min(prompt, self._config.max_prompt_tokens) + self._config.max_new_tokens

    def prompt(self, text: str, anchor_k: IntArray, m: int) -> str:
        """Return what the engine is given."""
        examples = nearest_examples(self._bank, anchor_k, m, self._config.n_examples)
        return self._writer.build(self._bank.model_ids[m], examples, text)

    def _read(self, reply: Continuation) -> ReasonerPrediction:
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
        said = f"{self._bank.version}\0{self._bank.model_ids[m]}\0{text}"
        return hashlib.sha256(said.encode()).digest()


class ReasonerArgs(ReasonerConfig):
    """``args: reasoner`` of serve_config.yaml; without it nothing of the reasoner exists."""

    template: Annotated[Path | None, Field(strict=False)] = None  # YAML knows texts only
    """Jinja file with the wording of the prompt, on every node; None for ours."""
    engine: EngineConfig = EngineConfig()
    """How one engine is run, and on what; how many there are says the block of `ScopeEngine`."""
    max_cached_answers: int = Field(default=100_000, ge=1)
    """Answers that each Predictor keeps, some 200 bytes each."""


def check_reasoner(args: ReasonerArgs, bank: Bank) -> None:
    """Check that a bank has question texts and was fitted for this reasoner.

    Raises
    ------
    ConfigError
        If it has no texts, or was fitted for none or another; names what differs.
    """
    bank.require_prompts()
    bank.require_reasoner(ReasonerSpec.from_config(args))
