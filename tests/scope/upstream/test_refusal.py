import pytest

from scope.upstream.failure import http_error
from scope.upstream.refusal import Refusal, read_refusal


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 8554", 8192),
        (
            "'max_tokens' is too large: 5000. This model's maximum context length is 2048 tokens "
            "and your request has 20 input tokens",
            2048,
        ),
        ("prompt is too long: 210,000 tokens > 200,000 maximum", 200_000),
        ("The input token count (1290000) exceeds the maximum number of tokens allowed (1048576).",
         1_048_576),
        ("request (65646 tokens) exceeds the available context size (65536 tokens), try", 65_536),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
         32_768),
        ("too many tokens: total number of tokens in the prompt cannot exceed 4081", 4_081),
        ("Requested token count exceeds the model's maximum context length of 131072 tokens",
         131_072),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease "
         "input length or `max_tokens` and try again", 200_000),
        ("Input is too long for requested model.", None),
        ("the request exceeds the available context size, try increasing it", None),
    ],
)  # fmt: skip
def test_a_prompt_that_is_too_long_is_recognised(message, tokens):
    """
    With the window where the text names it: OpenAI, vLLM, Anthropic, Gemini, llama.cpp, Mistral,
    Cohere, SGLang, Bedrock.
    """
    assert read_refusal(400, message) == Refusal("context window", tokens)


def test_a_field_names_the_window_too():
    """
    As llama.cpp has it.
    """
    error = {"code": 400, "type": "exceed_context_size_error", "n_ctx": 4096}

    assert read_refusal(400, "too big", error) == Refusal("context window", 4096)


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        ("registry.ollama.ai/library/phi4:14b does not support tools", "function_calling"),
        ('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
         "function_calling"),
        ("No endpoints found that support tool use.", "function_calling"),
        ("No endpoints found that support image input", "vision"),
        ("SmolLM2 is not a multimodal model", "vision"),
        ("This model does not support image input", "vision"),
        ("At most 0 image(s) may be provided in one prompt.", "vision"),
        ("Audio input is not supported by this model", "audio_input"),
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this "
         "model.", "response_schema"),
        ("response_format type json_object is not supported", "json_mode"),
        ("'claude-3-haiku-20240307' does not support output_config.format", "response_schema"),
    ],
)  # fmt: skip
def test_a_capability_that_a_model_lacks_is_named(message, subject):
    """
    By LiteLLM's name.
    """
    assert read_refusal(400, message) == Refusal("capability", None, subject)


@pytest.mark.parametrize(
    ("message", "error", "subject"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
         "'max_completion_tokens' instead.",
         {"param": "max_tokens", "code": "unsupported_parameter"}, "max_tokens"),
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", {}, "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0 with this model. Only the default "
         "(1) value is supported.",
         {"param": "temperature", "code": "unsupported_value"}, "temperature"),
        ("max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
         {"param": "max_tokens", "code": "invalid_value"}, None),
        ("max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for "
         "claude-3-5-haiku-20241022", {"type": "invalid_request_error"}, None),
        ("Unrecognized request argument supplied: top_k", {}, "top_k"),
        ("property 'logprobs' is unsupported", {}, "logprobs"),
        ("x does not support parameters: ['seed'], for model=y", {}, "seed"),
        ("{'detail': [{'type': 'extra_forbidden', 'loc': ['body', 'max_completion_tokens'], "
         "'msg': 'Extra inputs are not permitted'}]}", {}, "max_completion_tokens"),
    ],
)  # fmt: skip
def test_a_parameter_that_a_model_does_not_know_is_named(message, error, subject):
    """
    Not where only a value is too large: smaller ones are accepted.
    """
    assert read_refusal(400, message, error) == Refusal("parameter", None, subject)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        pytest.param(402, "pay", {}, id="402"),
        pytest.param(429, "quota", {"code": "insufficient_quota"}, id="OpenAI"),
        pytest.param(429, "quota", {"type": "insufficient_quota", "code": None}, id="by its type"),
        pytest.param(400, "Your credit balance is too low", {}, id="Anthropic"),
    ],
)
def test_an_empty_account_is_recognised(status, message, error):
    """
    No later call will succeed, whatever the status says.
    """
    failed = http_error(status, "", None, str)
    failed.refusal = read_refusal(status, message, error)

    assert failed.refusal == Refusal("credit")
    assert (failed.is_retryable, failed.is_fatal, failed.is_client_error) == (False, True, False)


@pytest.mark.parametrize(
    ("status", "message", "error", "kind"),
    [
        (400, "prompt triggered the content management policy", {"code": "content_filter"},
         "content filter"),
        (400, "x", {"code": "content_policy_violation"}, "content filter"),
        (413, "Request Entity Too Large", {}, "body size"),
        (413, "Request too large: tokens per minute (TPM): Limit 6000", {}, "body size"),
        (400, "messages: expected a list", {}, None),
        (400, "messages[0].role: invalid", {"param": "messages"}, None),
        (400, "Invalid value: 'x'. Supported values are: 'system', 'user'.",
         {"param": "messages[0].role", "code": "invalid_value"}, None),
        (429, "tokens per min: limit 30000; reduce the context length", {}, None),
        (429, "You exceeded your current quota", {}, None),
        (401, "no key: tools are not supported", {}, None),
        (500, "tools are not supported", {}, None),
        (200, "context length", {}, None),
    ],
)  # fmt: skip
def test_other_failures_are_told_apart(status, message, error, kind):
    """
    A wrong request, a rate and a fault of the server say nothing about the model.
    """
    refusal = read_refusal(status, message, error)

    assert (refusal.kind if refusal else None) == kind


@pytest.mark.parametrize(
    "message",
    [
        "context length " + "9" * 10**6,
        '"body", "x" ' * 10**5,
        "not " * 10**5 + "support",
        "\x00\ud83d context window",
        "",
    ],
)
def test_a_hostile_text_is_read_in_no_time(message):
    """
    It breaks nothing, and a number without end is cut.
    """
    refusal = read_refusal(400, message, {"code": ["a"], "type": {}, "param": 7, "n_ctx": True})

    assert refusal is None or refusal.window_tokens is None or refusal.window_tokens < 10**16


def test_an_error_of_a_call_has_its_refusal():
    """
    The body is read once.
    """
    body = '{"error": {"message": "too long", "code": "context_length_exceeded", "param": null}}'

    assert http_error(400, body, None, str).refusal == Refusal("context window")
    assert http_error(400, "not JSON", None, str).refusal is None


@pytest.mark.parametrize("n_ctx", [0, -5, 10**400, True, "2048"])
def test_a_window_that_no_model_has_is_unknown(n_ctx):
    """
    Learned, it would keep every request from the model.
    """
    refusal = read_refusal(400, "x", {"code": "exceed_context_size_error", "n_ctx": n_ctx})

    assert refusal == Refusal("context window", None)
