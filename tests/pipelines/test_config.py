import pytest

from pipelines.config import JobConfig
from scope.config import AnchorConfig
from scope.errors import ConfigError


def write(tmp_path, text):
    path = tmp_path / "scope.yaml"
    path.write_text(text)
    return path


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path):
    """
    A partial file is complete: everything has a default.
    """
    config = JobConfig.load(write(tmp_path, "anchors: {n_neighbours: 6}\n"))

    assert config.anchors == AnchorConfig(n_neighbours=6)
    assert config.encoder.replicas == (1, 2)


@pytest.mark.parametrize(
    ("text", "use_forecaster"),
    [
        pytest.param("anchors: {n_neighbours: 6}", True, id="by default"),
        pytest.param("anchors: {use_forecaster: false}", False, id="kNN alone"),
    ],
)
def test_a_fitted_forecaster_is_used_by_default(tmp_path, text, use_forecaster):
    """
    The way back is one word.
    """
    assert JobConfig.load(write(tmp_path, text)).anchors.use_forecaster is use_forecaster


def test_a_wrong_backend_is_named_with_those_there_are(tmp_path):
    """
    The field, the two backends, and what was given.
    """
    expected = r"encoder\.backend: Input should be 'onnx' or 'torch', got 'jax'"

    with pytest.raises(ConfigError, match=expected):
        JobConfig.load(write(tmp_path, "encoder: {backend: jax}\n"))


def test_an_empty_file_is_all_defaults(tmp_path):
    """
    An empty file is valid.
    """
    assert JobConfig.load(write(tmp_path, "")) == JobConfig()


def test_all_mistakes_are_named_at_once(tmp_path):
    """
    An operator should not have to run five times to find five mistakes.
    """
    text = "anchors: {n_neighbors: 6, similarity_power: -1}\nencoder: {replicas: 'two'}\n"

    with pytest.raises(ConfigError) as caught:
        JobConfig.load(write(tmp_path, text))

    message = str(caught.value)
    assert "scope.yaml is not valid" in message
    assert "anchors.n_neighbors: Extra inputs are not permitted, got 6" in message
    assert "anchors.similarity_power: Input should be greater than or equal to 0" in message
    assert "encoder.replicas: Value error, expected N or [MIN, MAX], whole" in message
    assert "got 'two'" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("anchors: [", "is not YAML", id="broken"),
        pytest.param("- a list", "is not valid", id="not a mapping"),
        pytest.param("anchors: {prior_strength: .nan}", "prior_strength", id="NaN"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path, text, message):
    """
    The message names the file.
    """
    with pytest.raises(ConfigError, match=message) as caught:
        JobConfig.load(write(tmp_path, text))

    assert "scope.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    """
    A typo in a path is the commonest mistake of all.
    """
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        JobConfig.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(("text", "pool"), [("3", (1, 3)), ("[2, 3]", (2, 3)), ("[1, 1]", (1, 1))])
def test_replicas_are_a_most_or_a_range(tmp_path, text, pool):
    """
    As the flag takes them.
    """
    config = JobConfig.load(write(tmp_path, f"encoder: {{replicas: {text}}}"))

    assert config.encoder.replicas == pool


@pytest.mark.parametrize("text", ["0", "true", "1.0", "[2]", "[3, 2]", "[0, 2]", "[1, 2, 3]", "{}"])
def test_other_replicas_are_refused_plainly(tmp_path, text):
    """
    One line, whichever form was meant.
    """
    with pytest.raises(ConfigError, match=r"replicas: Value error, expected N or") as caught:
        JobConfig.load(write(tmp_path, f"encoder: {{replicas: {text}}}"))

    assert len(str(caught.value).splitlines()) == 2
