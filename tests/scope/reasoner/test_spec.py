import pytest

from scope.config import parse
from scope.errors import ConfigError
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec, resolve_revision


def config_of(**settings):
    """A configuration as parsed from a YAML file."""
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
        pytest.param("none", 48, id="the answer only"),
    ],
)
def test_prompt_and_reply_share_the_context(reasoning, expected):
    """
    The longest reply is subtracted from the context; the rest is for the prompt.
    """
    config = config_of(reasoning=reasoning, max_context_tokens=2000)

    assert config.max_new_tokens() == expected
    assert config.max_prompt_tokens() == 2000 - expected


def test_a_context_without_room_for_a_prompt_is_rejected():
    """
    The message has both numbers.
    """
    config = config_of(reasoning="full", max_context_tokens=1500)

    with pytest.raises(ConfigError, match=r"max_context_tokens is 1500, but .* may take 1584"):
        _ = config.max_prompt_tokens()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"samples": 3}, "samples is 3 and temperature 0", id="identical samples"),
        pytest.param({"temperature": 0.7}, "samples is 1 and temperature 0.7", id="one random"),
        pytest.param({"samples": 2, "temperature": 0.001}, "at least 0.01", id="nearly greedy"),
        pytest.param({"samples": 0}, "samples", id="no sample"),
        pytest.param({"reasoning": "long"}, "reasoning", id="unknown reasoning"),
        pytest.param({"checkpoint": ""}, "checkpoint", id="no checkpoint"),
        pytest.param({"temprature": 0.7}, "temprature", id="misspelt"),
    ],
)
def test_an_invalid_setting_is_rejected(settings, message):
    """
    The message names the setting.
    """
    with pytest.raises(ConfigError, match=message):
        config_of(**settings)


def test_code_of_a_checkpoint_is_not_trusted_by_default():
    """
    A user has to allow it in the configuration.
    """
    assert config_of().trust_remote_code is False


def test_a_folder_is_pinned_by_its_content(folder):
    """
    Its revision is a digest of weights and chat template; a hub name keeps the given revision.
    """
    before = resolve_revision(str(folder), None)
    (folder / "chat_template.jinja").write_text("another")

    assert before is not None
    assert resolve_revision(str(folder), None) not in (None, before)
    assert resolve_revision("owner/name", "abc") == "abc"
    assert resolve_revision("owner/name", None) is None


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param("config.json", "has no config.json", id="configuration"),
        pytest.param("tokenizer.json", "has no tokenizer", id="tokenizer"),
    ],
)
def test_an_incomplete_checkpoint_folder_is_rejected(folder, missing, message):
    """
    The message names the folder and the missing part.
    """
    (folder / missing).unlink()

    with pytest.raises(ConfigError, match=message) as error:
        resolve_revision(str(folder), None)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "a/b/c"])
def test_a_missing_folder_is_rejected(name):
    """
    Every name that is written like a path counts as a folder.
    """
    with pytest.raises(ConfigError, match="does not exist; expected a Hugging Face name or a fold"):
        resolve_revision(name, None)


def test_a_moved_checkpoint_does_not_differ(folder, tmp_path_factory):
    """
    Every other field that determines an answer is named as a difference.
    """
    ours = ReasonerSpec.from_config(config_of(checkpoint=str(folder)))
    moved = ours.model_copy(update={"checkpoint": "/elsewhere"})
    other = ours.model_copy(update={"reasoning": "full", "n_examples": 7})

    assert ours.differences(moved) == ()
    assert ours.differences(other) == ("reasoning", "n_examples")


def test_unpinned_reasoners_are_compared_by_name():
    """
    Their revisions are unknown.
    """
    spec = ReasonerSpec.from_config(config_of())

    assert spec.differences(ReasonerSpec.from_config(config_of())) == ()
    assert spec.differences(ReasonerSpec.from_config(config_of(checkpoint="owner/other"))) == (
        "checkpoint",
    )


def test_another_template_is_another_reasoner(tmp_path):
    """
    The text of the template counts, not its path.
    """
    path = tmp_path / "mine.jinja"
    path.write_text(
        "{{ model }} {{ question }} {% for e in examples %}{{ e.question }}{% endfor %}"
    )

    custom = ReasonerSpec.from_config(config_of(template=str(path)))

    assert ReasonerSpec.from_config(config_of()).differences(custom) == ("template",)
