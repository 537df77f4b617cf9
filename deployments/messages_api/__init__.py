"""Anthropic's Messages API as a client speaks it, translated to chat completions and back."""

from deployments.messages_api.body import CountTokensBody, MessagesBody
from deployments.messages_api.errors import anthropic_error
from deployments.messages_api.translation import MessagesTranslation

__all__ = ["CountTokensBody", "MessagesBody", "MessagesTranslation", "anthropic_error"]
