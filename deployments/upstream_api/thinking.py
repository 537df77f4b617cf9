"""How much a model thinks: OpenAI's and OpenRouter's fields in words of Anthropic's API."""

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.upstream_api.claude import ClaudeModel

EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
"""OpenAI's ``reasoning_effort`` -> Anthropic's; other words are passed on."""
SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95, "max": 0.95}
"""Effort -> share of the length limit of an answer, for models whose thinking has a budget."""
MIN_BUDGET, LARGEST_BUDGET = 1024, 32_000

JsonObject = Mapping[str, Any]


def thinking_fields(
    chat: JsonObject, model: ClaudeModel, max_tokens: int, *, forced: bool, resumes: bool
) -> dict[str, Any]:
    """Return the fields ``thinking`` and ``output_config`` of a request; none without a wish.

    Parameters
    ----------
    chat : mapping
        A chat completion: ``reasoning_effort``, ``reasoning`` (of OpenRouter) or Anthropic's own
        ``thinking`` and ``output_config``, which take precedence.
    model : ClaudeModel
    max_tokens : int
        Limit of the answer, thinking included.
    forced : bool
        Whether the model has to call a tool; then it cannot think.
    resumes : bool
        Whether a tool loop goes on that began without thinking; then no budget is taken.

    Examples
    --------
    >>> sonnet = ClaudeModel((4, 5))
    >>> thinking_fields({"reasoning_effort": "low"}, sonnet, 10_000, forced=False, resumes=False)
    {'thinking': {'type': 'enabled', 'budget_tokens': 2000}}
    """
    fields: dict[str, Any] = {}
    may_budget = model.takes_budget and not resumes
    effort, budget = _wish(chat)
    if effort == "none":
        if model.is_adaptive and not model.always_thinks:
            fields["thinking"] = {"type": "disabled"}
    elif effort is not None or budget is not None:
        if model.is_adaptive and not (budget and may_budget):
            if effort is not None:
                fields["output_config"] = {"effort": _effort(effort, model)}
            if not forced:
                fields["thinking"] = _adaptive(chat)
        elif may_budget and not forced:
            fields |= _budget(effort or "medium", budget, max_tokens)
    if isinstance(chat.get("thinking"), Mapping):
        fields["thinking"] = chat["thinking"]
    if isinstance(chat.get("output_config"), Mapping):
        fields["output_config"] = {**fields.get("output_config", {}), **chat["output_config"]}
    return fields


def resumes_without_thinking(turns: Sequence[JsonObject]) -> bool:
    """Return whether the chat is in a tool loop whose answer began without signed thinking.

    Models whose thinking has a budget refuse to turn it on in the middle of one.
    """
    if not any(block["type"] == "tool_result" for block in turns[-1]["content"]):
        return False
    answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    return bool(answers) and "thinking" not in answers[-1][0]["type"]


def _wish(chat: JsonObject) -> tuple[str | None, int | None]:
    """Return the effort and the budget that a request asks for; effort ``none`` to not think."""
    found = chat.get("reasoning")
    reasoning = found if isinstance(found, Mapping) else {}
    effort = chat.get("reasoning_effort") or reasoning.get("effort")
    budget = reasoning.get("max_tokens")
    if reasoning.get("enabled") is False:
        return "none", None
    if effort is None and budget is None and reasoning.get("enabled"):
        return "medium", None
    return effort, budget if isinstance(budget, int) else None


def _effort(effort: str, model: ClaudeModel) -> str:
    if effort == "xhigh" and model.takes_budget:  # Claude 4.6 does not know it yet
        return "high"
    return EFFORTS.get(effort, effort)


def _adaptive(chat: JsonObject) -> dict[str, Any]:
    """Return thinking that is shown: it begins an answer long before its text does."""
    reasoning = chat.get("reasoning")
    hidden = isinstance(reasoning, Mapping) and reasoning.get("exclude")
    return {"type": "adaptive", "display": "omitted" if hidden else "summarized"}


def _budget(effort: str, budget: int | None, max_tokens: int) -> dict[str, Any]:
    """Return thinking with a budget; none where the limit of the answer leaves no room for it."""
    if max_tokens <= MIN_BUDGET:
        return {}
    if budget is None:
        budget = min(int(SHARES.get(effort, 0.5) * max_tokens), LARGEST_BUDGET)
    tokens = min(max(budget, MIN_BUDGET), max_tokens - 1)
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}
