"""Time the reasoner's engine, vLLM, with several numbers of queries at once."""

import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

import numpy as np

from deployments.profiling.prompts import distinct_prompts
from deployments.profiling.service_times import EngineTime
from deployments.replicas.reasoner import ReasonerArgs
from scope.errors import ClusterError
from scope.reasoner import vllm_engine_kwargs

QUERY_TOKENS = 1024
"""Of a prompt with its examples; shorter where the context is."""

ANSWER_TOKENS = 32
"""Enough for the time of a token, and no more than a few seconds on a CPU."""

ROUNDS = 3

Generate = Callable[[Sequence[str], int], float]
"""From prompts and the tokens of each answer to seconds."""


def has_engine() -> bool:
    """Return whether vLLM is installed here."""
    return importlib.util.find_spec("vllm") is not None


def measure_engine(args: ReasonerArgs, tell: Callable[[str], None]) -> tuple[EngineTime, ...]:
    """Time one engine, in a process of its own: 1 query at once, 8, and as many as it takes.

    Raises
    ------
    ClusterError
        If the engine does not start or dies.
    """
    tell("ScopeEngine: loading the checkpoint, which may take minutes")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_measure_here, args).result()
        except (BrokenProcessPool, RuntimeError) as error:
            raise ClusterError(f"the engine of {args.checkpoint} did not run: {error}") from error


def _measure_here(args: ReasonerArgs) -> tuple[EngineTime, ...]:
    from vllm import LLM, SamplingParams

    llm = LLM(model=args.checkpoint, **_engine_kwargs(args))

    def generate(prompts: Sequence[str], answer_tokens: int) -> float:
        params = SamplingParams(max_tokens=answer_tokens, ignore_eos=True, temperature=0.0)
        began_s = time.perf_counter()
        llm.generate(list(prompts), params, use_tqdm=False)
        return time.perf_counter() - began_s

    tokenizer = llm.get_tokenizer()
    most = args.max_context_tokens - ANSWER_TOKENS
    return engine_times(
        generate,
        lambda prompt: len(tokenizer.encode(prompt)),
        concurrencies=sorted({1, min(8, args.engine.max_num_seqs), args.engine.max_num_seqs}),
        query_tokens=min(QUERY_TOKENS, most // 2),  # a token may be shorter than four characters
    )


def _engine_kwargs(args: ReasonerArgs) -> dict[str, Any]:
    kwargs = {**vllm_engine_kwargs(args, args.engine), "enable_prefix_caching": False}
    if args.engine.tensor_parallel == 1:
        # One worker needs no processes beside the engine's.
        kwargs["distributed_executor_backend"] = "uni"
    return kwargs


def engine_times(
    generate: Generate,
    count_tokens: Callable[[str], int],
    *,
    concurrencies: Sequence[int],
    query_tokens: int,
) -> tuple[EngineTime, ...]:
    """Return the rates of an engine.

    An answer of one token takes the time of the prompts; what a longer one takes beyond it is the
    time of its other tokens.

    Parameters
    ----------
    generate : callable
        From prompts and the tokens of each answer to seconds.
    count_tokens : callable
        Tokens of a prompt.
    concurrencies : sequence of int
    query_tokens : int
        Length of each prompt, at four characters a token.
    """
    prompts = distinct_prompts(query_tokens, seed=4)
    generate(list(islice(prompts, 2)), ANSWER_TOKENS)  # warm up
    found = []
    for n in concurrencies:
        batches = [list(islice(prompts, n)) for _ in range(2 * ROUNDS)]
        first_s = float(np.median([generate(batch, 1) for batch in batches[:ROUNDS]]))
        whole_s = float(np.median([generate(batch, ANSWER_TOKENS) for batch in batches[ROUNDS:]]))
        tokens = float(np.mean([sum(map(count_tokens, batch)) for batch in batches]))
        # Noise can make the longer answers look free; they take at least a tenth of the rest.
        rest_s = max(whole_s - first_s, 0.1 * first_s)
        found.append(
            EngineTime(
                concurrency=n,
                prompt_tokens_per_s=tokens / first_s,
                answer_tokens_per_s=n * (ANSWER_TOKENS - 1) / rest_s,
            )
        )
    return tuple(found)
