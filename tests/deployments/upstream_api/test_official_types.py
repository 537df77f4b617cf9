"""What the tests' own upstream sends is what Anthropic's client reads."""

import json

import pytest

from tests.deployments.upstream_api.test_stream import behaviour
from tests.messages_api import events, message

types = pytest.importorskip("anthropic").types
pydantic = pytest.importorskip("pydantic")


def test_a_whole_answer_has_the_official_type():
    """
    Every block of it, too.
    """
    answer = types.Message.model_validate(message(behaviour()), strict=True)

    assert next(block.type for block in answer.content) == "thinking"


def test_every_event_has_the_official_type():
    """
    Pings have none there.
    """
    adapter = pydantic.TypeAdapter(types.RawMessageStreamEvent)
    kinds = [
        adapter.validate_json(json.dumps(data)).type
        for data in events(behaviour())
        if data["type"] != "ping"
    ]

    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
