import asyncio

import pytest

from deployments.protocol.remote_call import RemoteCallError
from deployments.tracing.spans import NO_SPAN, Span, current_span, error_type, span
from scope.upstream import UpstreamError


class NotedSpan(Span):
    """Notes the names of all spans, and what becomes of them."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def child(self, name, attributes=None, *, calls_out=False):
        self.notes.append(f"{self.name} > {name}")
        return NotedSpan(name, self.notes)

    def fail(self, error_type):
        self.notes.append(f"{self.name}: {error_type}")

    def end(self):
        self.notes.append(f"{self.name} ends")


def test_without_a_request_there_is_no_span():
    """
    Nothing is recorded, and nothing fails.
    """
    with span("embed") as current:
        current.set({"scope.prompts": 1})

        assert current is NO_SPAN
        assert current.child("more") is NO_SPAN
        assert current.headers() == {}


def test_a_block_is_a_part_of_the_block_around_it():
    """
    After it the outer one is current again.
    """
    notes = []
    with NotedSpan("request", notes).active() as request:
        with span("decide"), span("embed"):
            pass

        assert current_span() is request

    assert current_span() is NO_SPAN
    assert notes == [
        "request > decide",
        "decide > embed",
        "embed ends",
        "decide ends",
        "request ends",
    ]


def test_tasks_belong_to_the_span_that_starts_them():
    """
    Requests that run at the same time do not mix.
    """
    notes = []

    async def work(name):
        with NotedSpan(name, notes).active():
            await asyncio.gather(*(part() for _ in range(2)))

    async def part():
        await asyncio.sleep(0)
        with span("part"):
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(work("a"), work("b"))

    asyncio.run(both())
    assert sorted(note for note in notes if ">" in note) == 2 * ["a > part"] + 2 * ["b > part"]


def test_an_error_marks_all_spans_around_it():
    """
    And is raised on.
    """
    notes = []
    with pytest.raises(KeyError), NotedSpan("request", notes).active(), span("decide"):
        raise KeyError("secret")

    assert notes[1:] == ["decide: KeyError", "decide ends", "request: KeyError", "request ends"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(RemoteCallError("embedder", "late"), "late", id="remote call"),
        pytest.param(UpstreamError("http 500", "secret"), "http 500", id="upstream"),
        pytest.param(asyncio.CancelledError(), "cancelled", id="client left"),
        pytest.param(ValueError("secret"), "ValueError", id="any other"),
    ],
)
def test_an_error_is_one_word_without_its_message(error, expected):
    """
    A message may hold text of a prompt.
    """
    assert error_type(error) == expected
