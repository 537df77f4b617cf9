import pytest
import yaml

from deployments.planning.config_edit import edit_deployments
from scope.errors import ConfigError

IMPORT_PATH = "deployments.app:build_app"
TEXT = """# a heading
applications:
  - name: other
    import_path: other:app
    deployments: [{name: Embedder, max_ongoing_requests: 1}]
  - name: scope
    import_path: deployments.app:build_app
    deployments:
      - name: Router # answers HTTP
        user_config:
          access: {anonymous: true} # anyone
      - name: Embedder
        user_config: {max_batch_size: 32, wait_s: 0} # a batch
        max_ongoing_requests: 64 # of one replica
        autoscaling_config:
          min_replicas: 2 # one may die
          max_replicas: 3
      - {name: Predictor}
"""


def edited(**values):
    """Edit the Embedder."""
    changes = {tuple(name.split("__")): value for name, value in values.items()}
    return edit_deployments(TEXT, {"Embedder": changes}, IMPORT_PATH)


def embedder(text):
    """The block of the Embedder of ours."""
    return yaml.safe_load(text)["applications"][1]["deployments"][1]


def test_only_the_characters_of_a_value_change():
    """
    In braces, alone on a line, and in a mapping of several lines; every comment stays.
    """
    text = edited(
        max_ongoing_requests=8, user_config__max_batch_size=4, autoscaling_config__min_replicas=1
    )

    assert text == (
        TEXT.replace("requests: 64", "requests: 8")
        .replace("max_batch_size: 32", "max_batch_size: 4")
        .replace("min_replicas: 2", "min_replicas: 1")
    )


def test_a_missing_key_is_added_where_it_belongs():
    """
    In braces at their end, else behind the first line.
    """
    text = edited(
        user_config__more=1.5, autoscaling_config__target=3, ray_actor_options__num_cpus=0.5
    )

    assert embedder(text) == {
        "name": "Embedder",
        "ray_actor_options": {"num_cpus": 0.5},
        "user_config": {"max_batch_size": 32, "wait_s": 0, "more": 1.5},
        "max_ongoing_requests": 64,
        "autoscaling_config": {"min_replicas": 2, "target": 3, "max_replicas": 3},
    }
    assert text.count("#") == TEXT.count("#")


def test_a_block_in_braces_is_edited_too():
    """
    With a mapping in it.
    """
    text = edit_deployments(
        TEXT, {"Predictor": {("autoscaling_config", "min_replicas"): 2}}, IMPORT_PATH
    )

    assert "- {name: Predictor, autoscaling_config: {min_replicas: 2}}\n" in text


def test_a_mapping_that_begins_with_a_mapping_gets_a_key_before_it():
    """
    The user_config of the Router.
    """
    text = edit_deployments(TEXT, {"Router": {("user_config", "alpha"): 1}}, IMPORT_PATH)

    block = yaml.safe_load(text)["applications"][1]["deployments"][0]
    assert block["user_config"] == {"alpha": 1, "access": {"anonymous": True}}


def test_the_application_of_another_is_left_alone():
    """
    It has an Embedder, too.
    """
    text = edited(max_ongoing_requests=8)

    assert yaml.safe_load(text)["applications"][0] == yaml.safe_load(TEXT)["applications"][0]


def test_a_deployment_without_a_block_is_named():
    """
    With what to do.
    """
    with pytest.raises(ConfigError, match="add `- name: Selector`"):
        edit_deployments(TEXT, {"Selector": {("max_ongoing_requests",): 1}}, IMPORT_PATH)


def test_text_that_is_no_yaml_is_an_error():
    """
    Of one sentence.
    """
    with pytest.raises(ConfigError, match="no YAML"):
        edit_deployments("a: [", {"Router": {("x",): 1}}, IMPORT_PATH)
