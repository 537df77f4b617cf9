import pytest

from scope.config import parse
from scope.errors import ConfigError
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec, resolve_revision


def config_of(**settings):
    """Settings as a YAML file would hold them."""
    return parse(ReasonerConfig, {"checkpoint": "owner/name", **settings}, "reasoner.yaml")


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a checkpoint."""
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        pytest.param("full", 1536 + 48, id="as long as the reference"),
        pytest.param("short", 96 + 48, id="a few sentences"),
        pytest.param("none", 48, id="the answer alone"),
    ],
)
def test_prompt_and_reply_share_the_context(reasoning, expected):
    """
    What a reply may take is not there for the prompt.
    """
    config = config_of(reasoning=reasoning, max_context_tokens=2000)

    assert config.max_new_tokens == expected
    assert config.max_prompt_tokens == 2000 - expected


def test_a_context_that_replies_would_fill_is_refused():
    """
    The sentence has both numbers.
    """
    config = config_of(reasoning="full", max_context_tokens=1500)

    with pytest.raises(ConfigError, match=r"max_context_tokens is 1500, but .* may take 1584"):
        _ = config.max_prompt_tokens


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param({"samples": 3}, "samples is 3 and temperature 0", id="equal samples"),
        pytest.param({"temperature": 0.7}, "samples is 1 and temperature 0.7", id="one random"),
        pytest.param({"samples": 2, "temperature": 0.001}, "at least 0.01", id="almost greedy"),
        pytest.param({"samples": 0}, "samples", id="no sample"),
        pytest.param({"reasoning": "long"}, "reasoning", id="unknown reasoning"),
        pytest.param({"checkpoint": ""}, "checkpoint", id="no checkpoint"),
        pytest.param({"temprature": 0.7}, "temprature", id="misspelt"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, told):
    """
    Naming it.
    """
    with pytest.raises(ConfigError, match=told):
        config_of(**settings)


def test_code_of_a_checkpoint_is_not_trusted_unasked():
    """
    As anywhere else.
    """
    assert config_of().trust_remote_code is False


def test_a_folder_is_pinned_by_what_is_in_it(folder):
    """
    Its weights and its chat template, by whichever name it goes.
    """
    before = resolve_revision(str(folder), None)
    (folder / "chat_template.jinja").write_text("another")

    assert before is not None
    assert resolve_revision(str(folder), None) not in (None, before)
    assert resolve_revision("owner/name", "abc") == "abc"
    assert resolve_revision("owner/name", None) is None


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        pytest.param("config.json", "has no config.json", id="configuration"),
        pytest.param("tokenizer.json", "has no tokenizer", id="tokenizer"),
    ],
)
def test_a_folder_that_is_no_checkpoint_gets_a_sentence(folder, missing, told):
    """
    Naming the folder and what it lacks.
    """
    (folder / missing).unlink()

    with pytest.raises(ConfigError, match=told) as error:
        resolve_revision(str(folder), None)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "a/b/c"])
def test_a_folder_that_is_not_there_gets_a_sentence(name):
    """
    Whatever is written like a path is one.
    """
    with pytest.raises(ConfigError, match="is not there; expected a Hugging Face name or a folder"):
        resolve_revision(name, None)


def test_a_reasoner_agrees_with_itself_elsewhere(folder, tmp_path_factory):
    """
    A folder may have been moved; anything else that decides an answer is named.
    """
    ours = ReasonerSpec.from_config(config_of(checkpoint=str(folder)))
    moved = ours.model_copy(update={"checkpoint": "/elsewhere"})
    other = ours.model_copy(update={"reasoning": "full", "n_examples": 7})

    assert ours.differences(moved) == ()
    assert ours.differences(other) == ("reasoning", "n_examples")


def test_unpinned_reasoners_agree_by_name_alone():
    """
    Nothing else is known of them.
    """
    one = ReasonerSpec.from_config(config_of())

    assert one.differences(ReasonerSpec.from_config(config_of())) == ()
    assert one.differences(ReasonerSpec.from_config(config_of(checkpoint="owner/other"))) == (
        "checkpoint",
    )


def test_another_wording_is_another_reasoner(tmp_path):
    """
    The text of the template counts, not where it lies.
    """
    path = tmp_path / "mine.jinja"
    path.write_text(
        "{{ model }} {{ question }} {% for e in examples %}{{ e.question }}{% endfor %}"
    )

    theirs = ReasonerSpec.from_config(config_of(template=str(path)))

    assert ReasonerSpec.from_config(config_of()).differences(theirs) == ("template",)
