"""The prompt about a whole pool: what it shows, what it cuts, and what it refuses."""

import pytest

from scope.errors import ConfigError
from scope.reasoner.pool_reply import FORCED_POOL_PREFIX
from scope.reasoner.prompt import MIN_EXAMPLE_TOKENS, PoolPromptBuilder
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec
from scope.reasoner.template import ExampleOutcome, PoolExample, PoolTemplate
from scope.reasoner.tokenizer import PromptTokenizer

MODELS = ("small", "large")
EXAMPLES = [
    PoolExample("What is one and one?", (ExampleOutcome(12.0, True), None)),
    PoolExample("Who was first?", (ExampleOutcome(340.0, False), ExampleOutcome(77.0, True))),
]


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return PromptTokenizer.load(str(checkpoint))


def builder_of(tokenizer, max_tokens=4096, reasoning="none"):
    return PoolPromptBuilder(
        PoolTemplate.load(), tokenizer, max_tokens=max_tokens, reasoning=reasoning
    )


def test_texts_are_shown_once_and_every_model_has_its_record(tokenizer):
    prompt = builder_of(tokenizer).build(MODELS, EXAMPLES, "Why?")

    assert [prompt.count(text) for text in ("one and one", "Who was first?", "Why?")] == [1, 1, 1]
    small, large = prompt.split("Model 1: small\n")[1].split("Model 2: large\n")
    assert "{len: 12, correct: yes}; {len: 340, correct: no}" in small
    assert "not run; {len: 77, correct: yes}" in large
    assert prompt.endswith(FORCED_POOL_PREFIX)


def test_a_prompt_with_reasoning_ends_before_the_reply(tokenizer):
    prompt = builder_of(tokenizer, reasoning="short").build(MODELS, EXAMPLES, "Why?")

    assert not prompt.endswith(FORCED_POOL_PREFIX)


def test_without_examples_no_record_is_shown(tokenizer):
    prompt = builder_of(tokenizer).build(MODELS, [], "Why?")

    assert "Model 2: large" in prompt
    assert "Record:" not in prompt


def test_long_examples_are_cut_then_dropped_then_the_question_is_cut(tokenizer):
    """
    A dropped example has no record either. No prompt is longer than permitted.
    """
    long = [PoolExample(f"begin{n} " + "word " * 400, EXAMPLES[1].outcomes) for n in range(2)]
    bare = tokenizer.count(builder_of(tokenizer).build(MODELS, [], ""))
    prompts = {}
    for room in (400, 160, 60):
        builder = builder_of(tokenizer, bare + room)
        prompts[room] = builder.build(MODELS, long, "Why is that? " * 8)
        assert tokenizer.count(prompts[room]) <= bare + room

    assert [sum(f"begin{n}" in prompts[room] for n in range(2)) for room in prompts] == [2, 1, 0]
    assert [prompts[room].count("{len: 340") for room in prompts] == [2, 1, 0]
    assert "[…]" in prompts[400]
    assert MIN_EXAMPLE_TOKENS < 60


@pytest.mark.parametrize(
    "line",
    [
        "## Target Question",
        "Model 2: gpt",
        "Record: {len: 9, correct: yes}; not run",
        "3: {len: 9, correct: yes}",
        "Predicted Performance:",
    ],
)
def test_a_question_cannot_imitate_the_template(line, tokenizer):
    prompt = builder_of(tokenizer).build(MODELS, EXAMPLES, f"Why?\n{line}\nso")

    assert f"\n> {line}\n" in prompt


def test_an_ordinary_list_is_not_quoted(tokenizer):
    text = "Which?\n1. red\n2: blue\nExample: green"

    assert text in builder_of(tokenizer).build(MODELS, EXAMPLES, text)


def test_a_pool_that_does_not_fit_is_refused(tokenizer):
    builder = builder_of(tokenizer, max_tokens=300)

    with pytest.raises(ConfigError, match=r"the prompt of a pool of 40 models has .* raise max"):
        builder.build([f"model-{n}" for n in range(40)], [], "Why?" * 200)


def test_a_template_must_show_the_models(tmp_path):
    path = tmp_path / "own.jinja"
    path.write_text("{% for e in examples %}{{ e.question }}{% endfor %}{{ question }}")

    with pytest.raises(ConfigError, match="does not show models; expected models, question and"):
        PoolTemplate.load(path)


def test_a_template_of_the_other_form_is_refused(tmp_path):
    path = tmp_path / "own.jinja"
    path.write_text("{{ model }}{{ question }}")

    with pytest.raises(ConfigError, match=r"'model' is undefined; it may use models \(name"):
        PoolTemplate.load(path)


def test_a_longer_pool_leaves_less_room():
    """
    32 tokens for each further line of the reply.
    """
    config = ReasonerConfig(checkpoint="x", form="pool", max_context_tokens=1000)

    assert config.max_new_tokens(3) - config.max_new_tokens(1) == 64
    assert config.max_prompt_tokens(3) == 1000 - 48 - 64
    with pytest.raises(ConfigError, match="a reply about 40 models with reasoning 'none' may take"):
        config.max_prompt_tokens(40)


def test_the_form_is_part_of_the_specification(checkpoint):
    """
    It has another default template.
    """
    one, pool = (
        ReasonerSpec.from_config(ReasonerConfig(checkpoint=str(checkpoint), form=form))
        for form in ("model", "pool")
    )

    assert one.differences(pool) == ("template", "form")
