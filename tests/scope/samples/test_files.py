import json

import numpy as np
import pytest

from scope.errors import ConfigError, FormatError
from scope.samples import merge_samples, missing_ids, missing_sentences, read_samples, write_samples

TWO = {"responses": ["four", "five"], "armoRM_scores": [0.2, 0.1]}
COUNTED = {**TWO, "token_num_prompt": 7, "token_num_responses": [1, 2]}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(question_id="a/0", prompt="2 + 2?", **models):
    return {"id": question_id, "prompt": prompt, **models}


def test_prompts_alone_are_samples_without_models(tmp_path):
    """
    Stage 1 of the published pipeline; other fields are left alone.
    """
    samples = read_samples(write(tmp_path / "a.jsonl", row(), row("a/1", gt="4", split="train")))

    assert (samples.ids, samples.models, samples.n_samples) == (("a/0", "a/1"), (), 0)


def test_responses_scores_and_counts_are_read(tmp_path):
    """
    Stages 2 to 8: what a model's object has; what it lacks is unknown.
    """
    path = write(tmp_path / "a.jsonl", row(small=COUNTED, large={"responses": ["four"]}))

    samples = read_samples(path)

    assert samples.models == ("small", "large")
    assert samples.responses_qm == ((("four", "five"), ("four",)),)
    np.testing.assert_array_equal(samples.scores["armoRM"], [[[0.2, 0.1], [np.nan, np.nan]]])
    np.testing.assert_array_equal(samples.prompt_tokens_qm, [[7, np.nan]])
    np.testing.assert_array_equal(samples.completion_tokens_qmo, [[[1, 2], [np.nan, np.nan]]])


def candidate(name, score, tokens, text):
    return {
        "model": name,
        "text": text,
        "scores": {"armoRM_scores": score},
        "token_num_prompt": 7,
        "token_num_responses": tokens,
    }


@pytest.mark.parametrize(
    ("score", "tokens", "text", "n"),
    [([0.5, 0.7], [30, 40], ["", ""], 2), (0.5, 30, "", 1)],
    ids=["train", "test"],
)
def test_candidates_are_read_as_arms(tmp_path, score, tokens, text, n):
    """
    Stage 9: lists on training prompts, one number each on the others.
    """
    candidates = [candidate(f"small_ourRM_bo{k}", score, tokens, text) for k in (1, 5)]
    line = {"id": "a/0", "instruction": "", "input": "2 + 2?", "candidates": candidates}

    samples = read_samples(write(tmp_path / "a.jsonl", line))

    assert samples.prompts == ("2 + 2?",)
    assert samples.models == ("small", "small@5")
    assert samples.scores["armoRM"].shape == (1, 2, n)
    assert samples.completion_tokens_qmo[0, 1, 0] == 30
    assert samples.responses_qm is None


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_samples_come_back_as_they_were(tmp_path, suffix):
    """
    Two files of models, one with a failed call, and a prompt without any sample.
    """
    first = read_samples(
        write(
            tmp_path / "a.jsonl",
            row(small=COUNTED, large={**TWO, "n_failed": 2}),
            row("a/1", "3 + 3?", small={"responses": ["six"], "token_num_responses": [1]}),
            row("a/2", "Ünïcode?"),
        )
    )

    write_samples(tmp_path / f"b{suffix}", first)
    again = read_samples(tmp_path / f"b{suffix}")

    assert (again.ids, again.prompts, again.models) == (first.ids, first.prompts, first.models)
    assert again.responses_qm == first.responses_qm
    np.testing.assert_array_equal(again.scores["armoRM"], first.scores["armoRM"])
    np.testing.assert_array_equal(again.prompt_tokens_qm, first.prompt_tokens_qm)
    np.testing.assert_array_equal(again.completion_tokens_qmo, first.completion_tokens_qmo)
    np.testing.assert_array_equal(again.failed_qm, [[0, 2], [0, 0], [0, 0]])


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_prompts_without_models_come_back(tmp_path, suffix):
    """
    The smallest file.
    """
    first = read_samples(write(tmp_path / "a.jsonl", row()))

    write_samples(tmp_path / f"b{suffix}", first)

    assert read_samples(tmp_path / f"b{suffix}").prompts == ("2 + 2?",)


def test_files_of_models_are_joined_by_id_not_by_position(tmp_path):
    """
    The second file has another order and lacks a prompt, which is said.
    """
    one = write(tmp_path / "s.jsonl", row(small=TWO), row("a/1", "3 + 3?", small=TWO))
    other = write(tmp_path / "l.jsonl", row("a/1", "3 + 3?", large={"responses": ["six"]}))

    samples = read_samples(one, other)

    assert samples.responses_qm[1] == (("four", "five"), ("six",))
    assert missing_ids(samples) == {"large": ["a/0"]}
    assert missing_sentences(missing_ids(samples)) == ["large has no sample of 1 prompts: a/0"]


def test_scores_of_the_same_samples_are_joined(tmp_path):
    """
    One file has the scores of one reward model, the other of another.
    """
    one = write(tmp_path / "a.jsonl", row(small=TWO))
    other = write(tmp_path / "b.jsonl", row(small={"ourRM_scores": [1, 2]}))

    assert set(read_samples(one, other).scores) == {"armoRM", "ourRM"}


def test_files_that_contradict_each_other_are_refused(tmp_path):
    """
    Another prompt under one id, and other responses of one model.
    """
    one = read_samples(write(tmp_path / "a.jsonl", row(small=TWO)))
    prompt = read_samples(write(tmp_path / "b.jsonl", row(prompt="3 + 3?", large=TWO)))
    texts = read_samples(write(tmp_path / "c.jsonl", row(small={"responses": ["x", "y"]})))

    with pytest.raises(FormatError, match="id 'a/0' has another prompt in b than in a"):
        merge_samples([one, prompt], ["a", "b"])
    with pytest.raises(FormatError, match="'small' on id 'a/0' has other responses in c than in a"):
        merge_samples([one, texts], ["a", "c"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is a list; expected an object"),
        ('{"prompt": "x"}', "line 2: id has no value; expected text"),
        ('{"id": "b", "prompt": ""}', "line 2: prompt has ''; expected text"),
        (json.dumps(row()), r"line 2 repeats id 'a/0' of .*line 1"),
        (json.dumps(row("b", m={"responses": "x", "x_scores": [True]})), "x_scores has True"),
        (json.dumps(row("b", m={"responses": [1]})), r"responses is \[1\]; expected a list"),
        (
            json.dumps(row("b", m={**TWO, "token_num_responses": [1]})),
            "line 2: model 'm' has 2 armoRM scores, 2 responses, 1 token counts",
        ),
        ('{"id": "b", "input": "x", "candidates": 3}', "candidates is 3; expected a list"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    """
    The sentence has file, line and what was expected.
    """
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row()) + "\n" + line + "\n")

    with pytest.raises(FormatError, match=message):
        read_samples(path)


def test_other_files_are_refused(tmp_path):
    """
    By suffix, by content, and by columns.
    """
    samples = read_samples(write(tmp_path / "a.jsonl", row()))
    (tmp_path / "b.parquet").write_text("no")

    with pytest.raises(ConfigError, match=r"expected \.jsonl or"):
        write_samples(tmp_path / "a.csv", samples)
    with pytest.raises(FormatError, match=r"expected \.jsonl or"):
        read_samples(tmp_path / "a.csv")
    with pytest.raises(FormatError, match="cannot be read"):
        read_samples(tmp_path / "b.parquet")
    with pytest.raises(FormatError, match=r"missing\.jsonl does not exist"):
        read_samples(tmp_path / "missing.jsonl")
