"""OpenAI's Responses API, translated to chat completions and back."""

from deployments.responses_api.request import ResponseBody
from deployments.responses_api.translation import ResponseTranslation, response_error

__all__ = ["ResponseBody", "ResponseTranslation", "response_error"]
