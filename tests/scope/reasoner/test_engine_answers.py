"""Replies and probabilities of a real vLLM on a tiny checkpoint, under the grammar."""

import os

import numpy as np
import pytest

from scope.reasoner.answers import (
    ENGINE_ARGS,
    parse_pool_prediction,
    parse_prediction,
    sampling_params,
)
from scope.reasoner.pool_reply import FORCED_POOL_PREFIX, parse_pool_reply
from scope.reasoner.prompt import PoolPromptBuilder, PromptBuilder
from scope.reasoner.reply import FORCED_PREFIX, parse_reply
from scope.reasoner.spec import ReasonerConfig
from scope.reasoner.template import Example, ExampleOutcome, PoolExample
from scope.reasoner.tokenizer import PromptTokenizer
from tests.factories.checkpoints import needs_vllm

pytestmark = [pytest.mark.vllm, needs_vllm]

MAX_TOKENS = 2_048
"""Prompt and reply together; full reasoning leaves 416 for the prompt."""

SETTINGS = [
    pytest.param("none", 1, 0.0, id="no reasoning"),
    pytest.param("short", 1, 0.0, id="short reasoning"),
    pytest.param("full", 1, 0.0, id="full reasoning"),
    pytest.param("none", 2, 0.6, id="no reasoning, sampled"),
    pytest.param("short", 2, 1.5, id="short reasoning, sampled hot"),
]


@pytest.fixture(scope="module")
def engine(checkpoint):
    """An engine that computes in float32, so that its numbers can be compared."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    from vllm import LLM

    engine = LLM(
        str(checkpoint),
        max_model_len=MAX_TOKENS,
        dtype="float32",
        enforce_eager=True,
        disable_log_stats=True,
        **ENGINE_ARGS,
    )
    yield engine
    engine.llm_engine.engine_core.shutdown()


@pytest.fixture(scope="module")
def network(checkpoint):
    """The same weights in transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


def replies(engine, config, tokenizer, prompts, n_models=1):
    """One reply to each prompt."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    params = sampling_params(config, tokenizer, n_models)
    params["structured_outputs"] = StructuredOutputsParams(**params["structured_outputs"])
    return engine.generate(prompts, SamplingParams(**params), use_tqdm=False)


def prompts_of(config, tokenizer, n):
    """Prompts of different questions and models."""
    builder = PromptBuilder.from_config(config, tokenizer)
    examples = [Example("What is one and one?", 12.0, True), Example("Who?", 340.0, False)]
    return [builder.build(f"model-{i % 3}", examples, f"What is {i} times {i}?") for i in range(n)]


def p_yes_of(network, ids, tokenizer):
    """Softmax over the two answers after `ids`."""
    import torch

    with torch.no_grad():
        logit = network(torch.tensor([ids])).logits[0, -1].double().numpy()
    return 1 / (1 + np.exp(logit[tokenizer.no_id] - logit[tokenizer.yes_id]))


@pytest.mark.parametrize(("reasoning", "samples", "temperature"), SETTINGS)
def test_every_reply_parses_and_its_probability_is_that_of_the_weights(
    engine, network, tokenizer, checkpoint, reasoning, samples, temperature
):
    """
    With random weights every reply can still be parsed. At any temperature, P(yes) is the
    softmax over the two answers that transformers computes after the same tokens.
    """
    config = ReasonerConfig(
        checkpoint=str(checkpoint),
        reasoning=reasoning,
        samples=samples,
        temperature=temperature,
        max_context_tokens=MAX_TOKENS,
    )
    prompts = prompts_of(config, tokenizer, 6 if reasoning == "full" else 16)

    outputs = replies(engine, config, tokenizer, prompts)

    answer_ids = (tokenizer.yes_id, tokenizer.no_id)
    for prompt, output in zip(prompts, outputs, strict=True):
        [reply] = output.outputs
        n_prompt_tokens = tokenizer.count(prompt) + tokenizer.n_special_tokens
        assert len(output.prompt_token_ids) == n_prompt_tokens
        assert len(output.prompt_token_ids) <= config.max_prompt_tokens()
        assert reply.finish_reason == "stop"
        text = (FORCED_PREFIX if reasoning == "none" else "") + reply.text
        assert parse_reply(text, constrained=True).correct is not None
        logprobs = [{token: it.logprob for token, it in at.items()} for at in reply.logprobs]
        ids = list(reply.token_ids)
        prediction = parse_prediction(
            reply.text, ids, logprobs, *answer_ids, reasoning=reasoning, temperature=temperature
        )
        index = max(i for i, token in enumerate(ids) if token in answer_ids)
        before = [*output.prompt_token_ids, *ids[:index]]
        assert prediction.p_yes == pytest.approx(p_yes_of(network, before, tokenizer), abs=1e-2)


POOL = tuple(f"model-{m}" for m in range(12))


@pytest.mark.parametrize(
    ("reasoning", "samples", "temperature"),
    [
        pytest.param("none", 1, 0.0, id="no reasoning"),
        pytest.param("none", 2, 0.6, id="no reasoning, sampled"),
        pytest.param("short", 1, 0.0, id="short reasoning"),
    ],
)
def test_each_line_of_a_pool_has_the_probability_of_the_weights(
    engine, network, tokenizer, checkpoint, reasoning, samples, temperature
):
    """
    The reply has a line for each of 12 models in order, with random weights too. The P(yes) of a
    line is what transformers computes at its answer, after the lines before it.
    """
    config = ReasonerConfig(
        checkpoint=str(checkpoint),
        form="pool",
        reasoning=reasoning,
        samples=samples,
        temperature=temperature,
        max_context_tokens=MAX_TOKENS,
    )
    builder = PoolPromptBuilder.from_config(config, tokenizer, len(POOL))
    outcomes = (ExampleOutcome(12.0, True), None) * 6
    prompts = [
        builder.build(POOL, [PoolExample("What is one and one?", outcomes)], f"What is {i}²?")
        for i in range(4)
    ]

    outputs = replies(engine, config, tokenizer, prompts, len(POOL))

    answer_ids = (tokenizer.yes_id, tokenizer.no_id)
    for output in outputs:
        [reply] = output.outputs
        ids = list(reply.token_ids)
        assert reply.finish_reason == "stop"
        assert len(ids) <= config.max_new_tokens(len(POOL))
        text = (FORCED_POOL_PREFIX if reasoning == "none" else "") + reply.text
        assert all(it.correct is not None for it in parse_pool_reply(text, len(POOL)))
        predictions = parse_pool_prediction(
            reply.text,
            ids,
            [{token: it.logprob for token, it in at.items()} for at in reply.logprobs],
            *answer_ids,
            n_models=len(POOL),
            reasoning=reasoning,
            temperature=temperature,
        )
        positions = [i for i, token in enumerate(ids) if token in answer_ids][-len(POOL) :]
        for prediction, i in zip(predictions, positions, strict=True):
            before = [*output.prompt_token_ids, *ids[:i]]
            assert prediction.p_yes == pytest.approx(p_yes_of(network, before, tokenizer), abs=1e-2)
