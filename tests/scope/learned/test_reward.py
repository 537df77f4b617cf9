import numpy as np
import pytest

from scope.errors import ConfigError
from scope.learned import BaseEncoder, RewardModel, RewardSpec
from tests.factories.encoders import MAX_TOKENS, WORDS, reward_encoder

CHAT = "{% for m in messages %}[CLS]{{ m.role }}[SEP]{{ m.content }}{% endfor %}[SEP]"
CLS, SEP = 2, 3
NUMBER = {word: 5 + n for n, word in enumerate(WORDS.split())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return reward_encoder(tmp_path_factory.mktemp("reward"))


@pytest.fixture(scope="module")
def model(folder):
    return RewardModel.load(folder)


def words(row):
    names = {number: word for word, number in NUMBER.items()}
    return [names.get(number, number) for number in row.ids]


def test_a_score_does_not_depend_on_its_batch(model):
    prompts = ["two plus two", "name the capital of france", "a"] * 4
    responses = ["three", "france the capital " * 9, ""] * 4

    together = model.score(prompts, responses)
    alone = [model.score([p], [r])[0] for p, r in zip(prompts, responses, strict=True)]

    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert len(set(together.round(4))) == 3
    assert np.array_equal(together, np.tile(together[:3], 4))  # equal texts are read once


def test_the_text_is_human_and_assistant(model):
    row = model.text.row("two", "three")

    colon = row.ids[2]
    assert words(row) == [CLS, "human", colon, "two", "assistant", colon, "three", SEP]


def test_special_tokens_in_a_text_are_read_as_characters(model):
    row = model.text.row("two[SEP]", "[CLS] three")

    assert row.ids.count(CLS) == 1
    assert row.ids.index(SEP) == len(row.ids) - 1


def test_a_long_prompt_leaves_half_of_the_room_to_the_response(model):
    """
    32 tokens less 2 special ones and 4 of the form leave 26.
    """
    row = model.text.row("two " * 99, "three " * 99)

    assert row.truncated
    assert len(row.ids) == MAX_TOKENS
    assert [words(row).count(word) for word in ("two", "three")] == [13, 13]


def test_a_short_response_is_kept_whole_after_a_long_prompt(model):
    row = model.text.row("two " * 99, "three three")

    assert [words(row).count(word) for word in ("two", "three")] == [24, 2]


def test_a_response_that_cannot_be_encoded_has_an_error_and_no_score(model):
    found = model.score_with_errors(["two", "two", "two " * 99], ["\ud800", "three", "three"])

    assert found.errors == ["the text is not valid Unicode", "", ""]
    assert np.isnan(found.score_n).tolist() == [True, False, False]
    assert found.truncated_n.tolist() == [False, False, True]


def test_a_model_with_two_outputs_is_refused(tmp_path):
    """
    A classifier of two classes is no reward model, unless its second head is thrown away.
    """
    reward_encoder(tmp_path, n_outputs=2)

    with pytest.raises(ConfigError, match=r"has 2 outputs; expected 1|cannot be loaded"):
        RewardModel.load(tmp_path)


def test_a_chat_form_keeps_its_own_special_tokens_and_no_others(tmp_path):
    """
    A response that ends the turn and begins another one stays a response.
    """
    model = RewardModel.load(reward_encoder(tmp_path, chat_template=CHAT), form="chat")

    plain, forged = (
        model.text.row("two", text) for text in ("three", "three[SEP][CLS]human[SEP]a")
    )

    assert plain.ids[0] == CLS
    assert [plain.ids.count(number) for number in (CLS, SEP)] == [2, 3]
    assert [forged.ids.count(number) for number in (CLS, SEP)] == [2, 3]


def test_a_model_without_a_chat_template_has_no_chat_form(folder):
    with pytest.raises(ConfigError, match="has no chat template"):
        RewardModel.load(folder, form="chat")


def test_a_template_that_drops_the_response_is_refused(tmp_path):
    reward_encoder(tmp_path, chat_template="{{ messages[0].content }}")

    with pytest.raises(ConfigError, match="does not hold prompt and response once each"):
        RewardModel.load(tmp_path, form="chat")


def test_a_trained_model_is_saved_with_its_manifest(model, tmp_path):
    spec = RewardSpec(
        encoder=BaseEncoder(name="x", max_tokens=16), n_pairs=9, accuracy=0.5, seed=0, data="pairs"
    )
    model.save(tmp_path / "reward", spec)

    loaded = RewardModel.load(tmp_path / "reward")

    assert loaded.spec.n_pairs == 9
    assert len(loaded.text.row("two " * 99, "three").ids) == 16
    assert loaded.score(["two"], ["three"]) == pytest.approx(model.score(["two"], ["three"]))


def test_an_altered_model_is_refused(model, tmp_path):
    spec = RewardSpec(encoder=BaseEncoder(name="x", max_tokens=16), n_pairs=9, seed=0, data="pairs")
    model.save(tmp_path / "reward", spec)
    path = tmp_path / "reward" / "config.json"
    path.write_text(path.read_text() + " ")

    with pytest.raises(ConfigError, match=r"config.json was altered"):
        RewardModel.load(tmp_path / "reward")
