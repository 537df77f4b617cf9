"""Requests that the model of the router's choice refuses, and another may answer."""

import asyncio

import pytest

from tests.deployments.conftest import failing, outcomes

TOO_LONG = "This model's maximum context length is 2048 tokens. However, you requested 2100."
REFUSALS = [
    pytest.param({"status": 400, "message": TOO_LONG}, id="too long, in words"),
    pytest.param(
        {"status": 400, "error_fields": {"code": "context_length_exceeded"}}, id="too long, a code"
    ),
    pytest.param({"status": 413, "message": "Request Entity Too Large"}, id="413"),
    pytest.param({"status": 400, "error_fields": {"code": "content_filter"}}, id="filtered"),
    pytest.param({"status": 422, "message": "phi4:14b does not support tools"}, id="no tools"),
    pytest.param(
        {"status": 404, "message": "No endpoints found that support tool use"}, id="no tools, 404"
    ),
    pytest.param(
        {"status": 400, "message": "Unsupported parameter: 'temperature' is not supported"},
        id="parameter",
    ),
    pytest.param({"status": 400, "message": "something else"}, id="without a reason that we know"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_the_chosen_model_goes_to_the_next(ask, refusal, stream):
    """
    The client did not choose the model: its request must not fail for it.
    """
    answer, _ = ask({"small": failing(**refusal)}, stream=stream)

    assert answer.model == "large"
    assert outcomes(answer) == [("small", f"http {refusal['status']}"), ("large", "ok")]


@pytest.mark.parametrize("refusal", REFUSALS[:4])
def test_a_refusal_of_all_models_is_passed_on(ask, refusal):
    """
    In the words of the best one; a model that refused is not asked again.
    """
    answer, _ = ask({"*": failing(**refusal)}, models=["small", "large", "priceless"])

    status = f"http {refusal['status']}"
    assert outcomes(answer) == [("small", status), ("large", status), ("priceless", status)]
    assert answer.status == refusal["status"]


def test_a_request_that_two_models_refuse_alike_is_wrong(ask):
    """
    No third one is asked where neither says what the model lacks; the first one's words are told.
    """
    wrong = failing(status=400, message="messages[0]: no role")
    answer, _ = ask(
        {"small": wrong, "large": wrong | {"message": "other words"}},
        models=["small", "large", "priceless"],
    )

    assert outcomes(answer) == [("small", "http 400"), ("large", "http 400")]
    assert (answer.status, answer.body["error"]["message"]) == (400, "messages[0]: no role")


def test_refusals_do_not_use_up_the_attempts(ask):
    """
    They are quick and not billed: three refusals and an answer in one attempt.
    """
    refusal = failing(status=400, message=TOO_LONG)
    answer, _ = ask(
        {"small": refusal, "large": refusal}, models=["small", "large", "priceless"], attempts=1
    )

    assert outcomes(answer)[-1] == ("priceless", "ok")


def test_a_window_is_learned_from_the_refusal(site):
    """
    The smallest that was named.
    """

    async def learn():
        async with site.open({"small": failing(status=400, message=TOO_LONG)}) as opened:
            await opened.execute()
            return opened.upstreams["small"].learned

    learned = asyncio.run(learn())

    assert (learned.window_tokens, learned.lacks) == (2048, set())


@pytest.mark.parametrize(
    ("refused", "accepted"),
    [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")],
)
def test_the_other_name_of_a_parameter_is_learned(site, refused, accepted):
    """
    The same model is asked again at once, also if the client named it, and later at once rightly.
    """

    async def ask_twice():
        async with site.open({"small": {"refuses": [refused]}}) as opened:
            return [await opened.execute(["small"], **{refused: 7}) for _ in range(2)]

    first, second = asyncio.run(ask_twice())

    assert outcomes(first) == [("small", "http 400"), ("small", "ok")]
    assert outcomes(second) == [("small", "ok")]
    assert [call["body"].get(accepted) for call in site.log()] == [None, 7, 7]


def test_a_parameter_without_another_name_is_not_dropped_for_a_named_model(ask):
    """
    The client asked for it: it gets the upstream's words.
    """
    answer, _ = ask({"small": {"refuses": ["top_k"]}}, models=["small"], top_k=5)

    assert (answer.status, len(answer.attempts)) == (400, 1)
    assert "top_k" in answer.body["error"]["message"]


def test_a_translated_request_does_without_hints_that_a_model_does_not_know(site):
    """
    Agents send them to every model: it is asked again without each, and later without all.
    """

    async def ask_twice():
        async with site.open({"small": {"refuses": ["reasoning_effort", "user"]}}) as opened:
            hints = {"reasoning_effort": "high", "user": "u", "seed": 1}
            return [await opened.execute(["small"], is_translated=True, **hints) for _ in range(2)]

    first, second = asyncio.run(ask_twice())

    assert outcomes(first) == [("small", "http 400"), ("small", "http 400"), ("small", "ok")]
    assert outcomes(second) == [("small", "ok")]
    assert set(site.log()[-1]["body"]) == {"messages", "model", "seed"}


def test_parameters_are_dropped_renamed_and_set_as_the_settings_say(site):
    """
    A value of the client takes precedence over a default; unknown fields pass.
    """
    rules = {
        "drop": ("temperature",),
        "rename": {"top_k": "k"},
        "default": {"seed": 1, "user": "u"},
    }

    async def once():
        async with site.open(**rules) as opened:
            return await opened.execute(["small"], temperature=0, top_k=5, seed=2, other="x")

    asyncio.run(once())
    (call,) = site.log()

    sent = {name: value for name, value in call["body"].items() if name != "messages"}
    assert sent == {"model": "small", "k": 5, "seed": 2, "user": "u", "other": "x"}


def test_the_effort_of_an_arm_can_be_renamed(site):
    """
    What the router adds follows the same rules.
    """

    async def once():
        async with site.open(rename={"reasoning_effort": "effort"}) as opened:
            return await opened.execute(["small#high"])

    asyncio.run(once())
    (call,) = site.log()

    assert (call["body"]["effort"], "reasoning_effort" in call["body"]) == ("high", False)
