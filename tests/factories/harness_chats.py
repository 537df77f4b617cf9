"""The chats of `tests/harness_chats.yaml`."""

from pathlib import Path

import pytest
import yaml

CHATS = yaml.safe_load((Path(__file__).parents[1] / "harness_chats.yaml").read_text())

each_chat = pytest.mark.parametrize("chat", [pytest.param(chat, id=chat["id"]) for chat in CHATS])
"""Runs a test once per chat."""
