"""Flags about questions and their embedding, right and wrong."""

import json
import warnings
from pathlib import Path

import pytest

from pipelines.bank import NamedEncoder
from pipelines.commands.options import (
    cache_folder,
    encoder_settings,
    encoders_from_flags,
    question_source_from_flags,
)
from pipelines.terminal.console import print_warnings
from scope import EMBEDDED_BANK
from scope.embedding import MINILM
from scope.errors import ConfigError
from scope.questions.readers import HubDataset
from scope.storage.vector_cache import CorruptShardWarning


@pytest.mark.parametrize(
    ("dataset", "split", "source"),
    [
        pytest.param(
            "id", None, HubDataset("id", "test"), id="published: the split of the command"
        ),
        pytest.param("ood", "anchor", HubDataset("ood", "anchor"), id="published: another split"),
        pytest.param("owner/name", None, HubDataset("owner/name"), id="any: its only split"),
        pytest.param("owner/name", "train", HubDataset("owner/name", "train"), id="any: a split"),
    ],
)
def test_a_data_set_is_named_with_its_split(dataset, split, source):
    """
    Only of the published sets is it known which split is meant.
    """
    assert question_source_from_flags("--query-file", None, dataset, split, "test") == source


@pytest.mark.parametrize(
    ("path", "dataset", "message"),
    [
        pytest.param(None, None, "--query-file and --dataset are both missing", id="none"),
        pytest.param(Path("q.json"), "id", "--query-file and --dataset are both given", id="two"),
    ],
)
def test_questions_come_from_one_place(path, dataset, message):
    """
    Not from none, not from two.
    """
    with pytest.raises(ConfigError, match=message):
        question_source_from_flags("--query-file", path, dataset, None, "test")


@pytest.mark.parametrize(
    ("replicas", "pool"),
    [("3", (1, 3)), ("2,5", (2, 5)), ("4,4", (4, 4))],
)
def test_replicas_are_a_most_or_a_range(replicas, pool):
    """
    N starts with one encoder and grows to N; MIN,MAX says both.
    """
    assert encoder_settings(None, replicas, None).encoder.replicas == pool


def test_a_flag_overrides_the_file_and_leaves_the_rest(tmp_path):
    """
    What no flag names stays as the file has it.
    """
    config = tmp_path / "scope.yaml"
    config.write_text("encoder: {batch_chars: 9, replicas: [2, 3], num_gpus: 1}\n")

    encoder = encoder_settings(config, None, 0.5).encoder

    assert (encoder.batch_chars, encoder.replicas, encoder.num_gpus) == (9, (2, 3), 0.5)


@pytest.mark.parametrize("replicas", ["0", "-1", "2,1", "1,2,3", "x", "", "1.5", "1,"])
def test_wrong_replicas_get_one_sentence(replicas):
    """
    The value, and what is allowed.
    """
    with pytest.raises(ConfigError, match=f"--replicas is '{replicas}'; expected N or MIN,MAX"):
        encoder_settings(None, replicas, None)


@pytest.mark.parametrize("num_gpus", [-1, 1.5, float("nan"), float("inf")])
def test_wrong_gpus_get_one_sentence(num_gpus):
    """
    Ray shares one GPU, or gives whole ones.
    """
    with pytest.raises(ConfigError, match=f"--num-gpus is {num_gpus}; expected a share"):
        encoder_settings(None, None, num_gpus)


@pytest.mark.parametrize("command", [("predict",), ("bank", "build")])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(["--replicas", "5,1"], "--replicas is '5,1'", id="replicas"),
        pytest.param(["--num-gpus", "-2"], "--num-gpus is -2", id="GPUs"),
        pytest.param(["--dataset", "id"], "are both given; pass one", id="two sources"),
    ],
)
def test_a_wrong_flag_writes_nothing(scope, tmp_path, command, flags, message):
    """
    Both commands word it alike: exit 2, one sentence, no folder.
    """
    (tmp_path / "q.json").write_text(json.dumps([{"id": "a", "prompt": "?"}]))
    source = {"predict": ["--query-file"]}.get(
        command[0], ["--outcomes", "o", "--prices", "p", "--questions"]
    )

    code, _, err = scope(
        *command, *source, tmp_path / "q.json", "--output", tmp_path / "out", *flags
    )

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_bank_has_no_splits(scope, tmp_path):
    """
    Not a flag that does nothing.
    """
    code, _, err = scope(
        "predict", "--query-file", EMBEDDED_BANK, "--split", "test", "--output", tmp_path / "out"
    )

    assert code == 2
    assert "is a bank and has no splits; drop --split" in err
    assert not (tmp_path / "out").exists()


def test_embeddings_are_kept_where_the_environment_says(monkeypatch):
    """
    Else under the home folder.
    """
    monkeypatch.setenv("SCOPE_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")

    monkeypatch.setenv("SCOPE_CACHE", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/scope-router/embeddings")


def test_a_damaged_file_is_one_sentence_on_the_screen(capsys):
    """
    Without the line of code that warned; other warnings look as ever.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with print_warnings():
            warnings.warn("x.arrow is damaged", CorruptShardWarning, stacklevel=1)

    assert capsys.readouterr().err == "scope: x.arrow is damaged\n"


@pytest.mark.parametrize(
    ("embedders", "revisions", "expected"),
    [
        pytest.param([], [], (NamedEncoder(MINILM),), id="the default"),
        pytest.param(["a"], ["1"], (NamedEncoder("a", "1"),), id="one"),
        pytest.param(["a", "b#3"], [], (NamedEncoder("a"), NamedEncoder("b", layer=3)), id="two"),
        pytest.param(
            ["a", "b"],
            ["1", "2"],
            (NamedEncoder("a", "1"), NamedEncoder("b", "2")),
            id="two commits",
        ),
    ],
)
def test_the_second_embedder_is_the_second_encoder(embedders, revisions, expected):
    """
    A commit belongs to the embedder at its place.
    """
    assert encoders_from_flags(embedders, revisions) == expected


@pytest.mark.parametrize(
    ("embedders", "revisions", "message"),
    [
        pytest.param(["a", "b", "c"], [], "at most two encoders, --embedder names 3", id="three"),
        pytest.param(["a"], ["1", "2"], "--revision is repeated more often", id="commits"),
        pytest.param(["a", "b#0"], [], "'b#0' is not valid; expected NAME", id="layer"),
    ],
)
def test_encoders_that_cannot_be_are_an_error(embedders, revisions, message):
    """
    More than two, more commits than encoders, no layer.
    """
    with pytest.raises(ConfigError, match=message):
        encoders_from_flags(embedders, revisions)
