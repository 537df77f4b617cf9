import pytest

from deployments.profiling.measure_engine import ANSWER_TOKENS, engine_times, measure_engine
from deployments.replicas.reasoner import ReasonerArgs
from scope.reasoner import EngineConfig
from tests.factories.checkpoints import needs_vllm


def test_prompts_and_answers_are_told_apart():
    """
    An engine that reads 1,000 tokens in a second and writes 50 for each query: a prompt of 100
    tokens takes 0.1 s, which the first token of its answer is part of.
    """

    def generate(prompts, answer_tokens):
        return 0.1 * len(prompts) + (answer_tokens - 1) / 50

    times = engine_times(generate, lambda _: 100, concurrencies=[1, 4], query_tokens=100)

    assert [time.concurrency for time in times] == [1, 4]
    assert [time.prompt_tokens_per_s for time in times] == pytest.approx([1000, 1000])
    assert [time.answer_tokens_per_s for time in times] == pytest.approx([50, 200])


def test_every_prompt_is_another():
    """
    A prompt seen before would be read from the cache.
    """
    seen = []

    def generate(prompts, answer_tokens):
        seen.extend(prompts)
        return answer_tokens / ANSWER_TOKENS

    engine_times(generate, len, concurrencies=[1, 8], query_tokens=50)

    assert len(seen) == len(set(seen)) > 50


@pytest.mark.vllm
@needs_vllm
def test_a_real_engine_is_timed(checkpoint):
    """
    A tiny model on the CPU: with four queries at once it writes more than with one.
    """
    engine = EngineConfig(accelerator="cpu", dtype="bfloat16", max_num_seqs=4, eager=True)
    args = ReasonerArgs(checkpoint=str(checkpoint), max_context_tokens=1024, engine=engine)
    told = []

    one, four = measure_engine(args, told.append)

    assert (one.concurrency, four.concurrency) == (1, 4)
    assert 0 < one.answer_tokens_per_s < four.answer_tokens_per_s
    assert one.prompt_tokens_per_s > one.answer_tokens_per_s
    assert told == ["ScopeEngine: loading the checkpoint, which may take minutes"]
