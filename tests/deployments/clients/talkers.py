"""One way to talk to the endpoint for every client: official ones and frameworks.

A talker holds no state; each of its methods makes the requests of one feature, whole or as a
stream, the way the client's own documentation does.
"""

import json
from typing import NamedTuple

from pydantic import BaseModel

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ABOUT = "The weather of a city."
CELSIUS = {"Paris": "21", "Rome": "28"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
DATA_URL = f"data:image/png;base64,{PNG}"
MAX_TOKENS = 1000


class Weather(BaseModel):
    """The schema of an answer."""

    city: str
    celsius: int


class Reply(NamedTuple):
    """An answer, whatever the client makes of it."""

    text: str
    model: str
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None


class Failure(NamedTuple):
    """An error, as the client tells it."""

    status: int | None
    message: str


def weather(city):
    """Run the tool."""
    return f"{CELSIUS[city]} in {city}"


class Talker:
    """A client; `errors` are those that it raises at a failure."""

    errors = Exception  # frameworks raise those of the provider, or one for each status

    def fail(self, model, text, *, stream=False):
        try:
            self.say(model, text, stream=stream)
        except self.errors as error:
            return Failure(getattr(error, "status_code", None), str(error))
        raise AssertionError("it did not fail")


class OpenAIChat(Talker):
    """The package `openai`, chat completions."""

    def __init__(self, url):
        import openai

        self.errors = openai.APIError
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)

    def _complete(self, stream, **request):
        if not stream:
            return self.client.chat.completions.create(**request)
        with self.client.chat.completions.stream(
            stream_options={"include_usage": True}, **request
        ) as events:
            for _ in events:
                pass
            return events.get_final_completion()

    def _reply(self, answer):
        usage = answer.usage
        details = usage.prompt_tokens_details
        text = answer.choices[0].message.content
        return Reply(
            text, answer.model, usage.prompt_tokens, details.cached_tokens, usage.completion_tokens
        )

    def say(self, model, text, *, stream=False, system=None, image=False):
        parts = [{"type": "text", "text": text}]
        parts += [{"type": "image_url", "image_url": {"url": DATA_URL}}] if image else []
        messages = [{"role": "system", "content": system}] if system else []
        messages += [{"role": "user", "content": parts if image else text}]
        return self._reply(self._complete(stream, model=model, messages=messages))

    def loop(self, model, text, *, stream=False):
        function = {"name": "get_weather", "description": ABOUT, "parameters": CITY}
        tools = [{"type": "function", "function": function}]
        messages = [{"role": "user", "content": text}]
        first = self._complete(stream, model=model, messages=messages, tools=tools)
        message = first.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return self._reply(self._complete(stream, model=model, messages=messages, tools=tools))

    def parse(self, model, text):
        messages = [{"role": "user", "content": text}]
        answer = self.client.chat.completions.parse(
            model=model, messages=messages, response_format=Weather
        )
        return answer.choices[0].message.parsed


class OpenAIResponses(Talker):
    """The package `openai`, responses."""

    def __init__(self, url):
        import openai

        self.errors = (openai.APIError, BrokenOffError)
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)

    def _respond(self, stream, **request):
        if not stream:
            return self.client.responses.create(**request)
        with self.client.responses.stream(**request) as events:
            for event in events:
                if event.type in ("error", "response.failed"):
                    failed = getattr(event, "response", None)
                    raise BrokenOffError(failed.error.message if failed else event.message)
            return events.get_final_response()

    def _reply(self, answer):
        usage = answer.usage
        cached = usage.input_tokens_details.cached_tokens
        return Reply(
            answer.output_text, answer.model, usage.input_tokens, cached, usage.output_tokens
        )

    def say(self, model, text, *, stream=False, system=None, image=False):
        content = [{"type": "input_text", "text": text}]
        content += [{"type": "input_image", "image_url": DATA_URL}] if image else []
        given = [{"role": "user", "content": content}] if image else text
        more = {"instructions": system} if system else {}
        return self._reply(self._respond(stream, model=model, input=given, **more))

    def loop(self, model, text, *, stream=False):
        tools = [
            {
                "type": "function",
                "name": "get_weather",
                "description": ABOUT,
                "parameters": CITY,
                "strict": False,
            }
        ]
        given = [{"role": "user", "content": text}]
        first = self._respond(stream, model=model, input=given, tools=tools)
        given += [item.model_dump(exclude_none=True) for item in first.output]
        for item in first.output:
            if item.type == "function_call":
                result = weather(**json.loads(item.arguments))
                output = {"type": "function_call_output", "call_id": item.call_id}
                given.append({**output, "output": result})
        return self._reply(self._respond(stream, model=model, input=given, tools=tools))

    def parse(self, model, text):
        answer = self.client.responses.parse(model=model, input=text, text_format=Weather)
        return answer.output_parsed


class BrokenOffError(Exception):
    """The stream said that it failed."""


class Anthropic(Talker):
    """The package `anthropic`, messages."""

    def __init__(self, url):
        import anthropic

        self.errors = anthropic.APIError
        self.client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)

    def _create(self, stream, **request):
        if not stream:
            return self.client.messages.create(max_tokens=MAX_TOKENS, **request)
        with self.client.messages.stream(max_tokens=MAX_TOKENS, **request) as events:
            return events.get_final_message()

    def _reply(self, answer):
        usage = answer.usage
        text = "".join(block.text for block in answer.content if block.type == "text")
        cached = usage.cache_read_input_tokens
        prompt = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
        return Reply(text, answer.model, prompt, cached, usage.output_tokens)

    def say(self, model, text, *, stream=False, system=None, image=False):
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        content = [{"type": "text", "text": text}]
        content += [{"type": "image", "source": source}] if image else []
        messages = [{"role": "user", "content": content if image else text}]
        more = {"system": system} if system else {}
        return self._reply(self._create(stream, model=model, messages=messages, **more))

    def loop(self, model, text, *, stream=False):
        tools = [{"name": "get_weather", "description": ABOUT, "input_schema": CITY}]
        messages = [{"role": "user", "content": text}]
        first = self._create(stream, model=model, messages=messages, tools=tools)
        messages.append({"role": "assistant", "content": first.content})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": weather(**block.input)}
            for block in first.content
            if block.type == "tool_use"
        ]
        messages.append({"role": "user", "content": results})
        return self._reply(self._create(stream, model=model, messages=messages, tools=tools))

    def parse(self, model, text):
        messages = [{"role": "user", "content": text}]
        answer = self.client.messages.parse(
            model=model, max_tokens=MAX_TOKENS, messages=messages, output_format=Weather
        )
        return answer.parsed_output


class LangChain(Talker):
    """A chat model of LangChain; the classes below say which."""

    def _model(self, model):
        raise NotImplementedError

    def _invoke(self, runnable, messages, stream):
        if not stream:
            return runnable.invoke(messages)
        whole = None
        for piece in runnable.stream(messages):
            whole = piece if whole is None else whole + piece
        return whole

    def _reply(self, answer, model):
        usage = answer.usage_metadata
        cached = usage["input_token_details"]["cache_read"]
        name = answer.response_metadata.get("model_name") or answer.response_metadata["model"]
        return Reply(answer.text, name, usage["input_tokens"], cached, usage["output_tokens"])

    def say(self, model, text, *, stream=False, system=None, image=False):
        picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
        content = [{"type": "text", "text": text}, picture] if image else text
        messages = [("system", system)] if system else []
        messages += [("user", content)]
        return self._reply(self._invoke(self._model(model), messages, stream), model)

    def loop(self, model, text, *, stream=False):
        from langchain_core.messages import HumanMessage
        from langchain_core.tools import tool

        @tool
        def get_weather(city: str) -> str:
            """Say the weather of a city."""
            return weather(city)

        runnable = self._model(model).bind_tools([get_weather])
        messages = [HumanMessage(text)]
        first = self._invoke(runnable, messages, stream)
        messages.append(first)
        messages += [get_weather.invoke(call) for call in first.tool_calls]
        return self._reply(self._invoke(runnable, messages, stream), model)

    def parse(self, model, text):
        runnable = self._model(model).with_structured_output(Weather, method="json_schema")
        return runnable.invoke(text)


class LangChainChat(LangChain):
    """`langchain-openai`, chat completions."""

    use_responses_api = False

    def __init__(self, url):
        self.url = url

    def _model(self, model):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=model,
            base_url=f"{self.url}/v1",
            api_key="k",
            max_retries=0,
            stream_usage=True,
            use_responses_api=self.use_responses_api,
        )


class LangChainResponses(LangChainChat):
    """`langchain-openai`, responses."""

    use_responses_api = True


class LangChainMessages(LangChain):
    """`langchain-anthropic`, messages."""

    def __init__(self, url):
        self.url = url

    def _model(self, model):
        from langchain_anthropic import ChatAnthropic

        return ChatAnthropic(
            model=model, base_url=self.url, api_key="k", max_retries=0, max_tokens=MAX_TOKENS
        )


class LiteLLM(Talker):
    """The package `litellm` as a client; `provider` says which API it speaks."""

    provider, path = "openai", "/v1"

    def __init__(self, url):
        import litellm

        self.litellm, self.url = litellm, f"{url}{self.path}"
        litellm.drop_params = False

    def _complete(self, stream, model, **request):
        answer = self.litellm.completion(
            model=f"{self.provider}/{model}",
            api_base=self.url,
            api_key="k",
            max_retries=0,
            max_tokens=MAX_TOKENS,
            stream=stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
            **request,
        )
        if not stream:
            return answer
        return self.litellm.stream_chunk_builder(list(answer), messages=request["messages"])

    def _reply(self, answer):
        usage = answer.usage
        cached = usage.prompt_tokens_details.cached_tokens
        text = answer.choices[0].message.content
        return Reply(text, answer.model, usage.prompt_tokens, cached, usage.completion_tokens)

    say = OpenAIChat.say
    loop = OpenAIChat.loop

    def parse(self, model, text):
        messages = [{"role": "user", "content": text}]
        answer = self._complete(False, model=model, messages=messages, response_format=Weather)
        return Weather.model_validate_json(answer.choices[0].message.content)


class LiteLLMMessages(LiteLLM):
    """`litellm`, messages."""

    provider, path = "anthropic", ""


TALKERS = {
    "openai-chat": OpenAIChat,
    "openai-responses": OpenAIResponses,
    "anthropic-messages": Anthropic,
    "langchain-chat": LangChainChat,
    "langchain-responses": LangChainResponses,
    "langchain-messages": LangChainMessages,
    "litellm-chat": LiteLLM,
    "litellm-messages": LiteLLMMessages,
}
"""Client and surface -> talker."""
