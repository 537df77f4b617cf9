import pytest

from deployments.protocol.messages import SelectionRequest
from deployments.replicas.selector import Selector, SelectorArgs, n_responses
from scope.errors import ConfigError
from scope.learned import RewardModel
from tests.factories.routers import tiny_reward


def test_every_answer_of_every_call_is_scored(tmp_path):
    """
    As the reward model scores it alone.
    """
    folder = str(tiny_reward(tmp_path / "reward"))
    calls = [
        SelectionRequest("what is two", ["three", "easy"]),
        SelectionRequest("name the capital", ["france"]),
    ]
    selector = Selector(SelectorArgs(model=folder))

    (three, easy), (france,) = selector.score(calls)

    alone = RewardModel.load(folder).score(
        ["what is two", "what is two", "name the capital"], ["three", "easy", "france"]
    )
    assert [three, easy, france] == pytest.approx(alone.tolist(), abs=1e-5)
    assert three != easy
    selector.check_health()


def test_a_batch_is_as_large_as_its_answers():
    """
    One call always fits.
    """
    call = SelectionRequest("p", ["a", "b", "c"])

    assert (n_responses([call]), n_responses([call, call])) == (1, 6)


def test_a_path_that_is_no_folder_is_refused():
    """
    Before a replica starts; a name is left to the replica.
    """
    SelectorArgs(model="RLHFlow/ArmoRM-Llama3-8B-v0.1").check()

    with pytest.raises(ConfigError, match=r"args\.selector\.model /nowhere is no folder"):
        SelectorArgs(model="/nowhere").check()
