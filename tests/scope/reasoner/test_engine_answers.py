"""A real vLLM on a tiny checkpoint: what it says under the grammar, and how sure it is."""

import os

import numpy as np
import pytest

from scope.reasoner.answers import ENGINE_ARGS, parse_prediction, sampling_params
from scope.reasoner.prompt import Example, PromptBuilder, Template
from scope.reasoner.reply import FORCED_PREFIX, parse_reply
from scope.reasoner.spec import ReasonerConfig
from scope.reasoner.tokenizer import PromptTokenizer
from tests.factories.checkpoints import needs_vllm

pytestmark = [pytest.mark.vllm, needs_vllm]

MAX_TOKENS = 2_048
"""Of prompt and reply; with reasoning in full it is 416 of prompt."""

WAYS = [
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
def tokens(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


def replies(engine, config, tokens, prompts):
    """One reply to each prompt."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    how = sampling_params(config, tokens)
    how["structured_outputs"] = StructuredOutputsParams(**how["structured_outputs"])
    return engine.generate(prompts, SamplingParams(**how), use_tqdm=False)


def prompts_of(config, tokens, n):
    """Prompts of different questions and models."""
    writer = PromptBuilder(
        Template.load(), tokens, max_tokens=config.max_prompt_tokens, reasoning=config.reasoning
    )
    examples = [Example("What is one and one?", 12.0, True), Example("Who?", 340.0, False)]
    return [writer.build(f"model-{i % 3}", examples, f"What is {i} times {i}?") for i in range(n)]


def p_yes_of(network, ids, tokens):
    """Softmax over the two answers after `ids`."""
    import torch

    with torch.no_grad():
        logit = network(torch.tensor([ids])).logits[0, -1].double().numpy()
    return 1 / (1 + np.exp(logit[tokens.no_id] - logit[tokens.yes_id]))


@pytest.mark.parametrize(("reasoning", "samples", "temperature"), WAYS)
def test_every_reply_parses_and_its_probability_is_that_of_the_weights(
    engine, network, tokens, checkpoint, reasoning, samples, temperature
):
    """
    Weights are random, and still no reply is unreadable. P(yes) is the softmax over the two
    answers that transformers computes after the very same tokens, whatever the temperature.
    """
    config = ReasonerConfig(
        checkpoint=str(checkpoint),
        reasoning=reasoning,
        samples=samples,
        temperature=temperature,
        max_context_tokens=MAX_TOKENS,
    )
    prompts = prompts_of(config, tokens, 6 if reasoning == "full" else 16)

    outputs = replies(engine, config, tokens, prompts)

    for prompt, output in zip(prompts, outputs, strict=True):
        [made] = output.outputs
        assert len(output.prompt_token_ids) == tokens.count(prompt) + tokens.n_special_tokens
        assert len(output.prompt_token_ids) <= config.max_prompt_tokens
        assert made.finish_reason == "stop"
        whole = (FORCED_PREFIX if reasoning == "none" else "") + made.text
        assert parse_reply(whole, sealed=True).correct is not None
        logprobs = [{token: it.logprob for token, it in at.items()} for at in made.logprobs]
        ids = list(made.token_ids)
        answer = parse_prediction(
            made.text,
            ids,
            logprobs,
            tokens.yes_id,
            tokens.no_id,
            reasoning=reasoning,
            temperature=temperature,
        )
        place = max(i for i, token in enumerate(ids) if token in (tokens.yes_id, tokens.no_id))
        before = [*output.prompt_token_ids, *ids[:place]]
        assert answer.p_yes == pytest.approx(p_yes_of(network, before, tokens), abs=1e-2)
