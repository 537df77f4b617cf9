from deployments.asks import Ask
from deployments.needs import Needs
from deployments.sessions import Held, Sessions
from deployments.settings import Stickiness
from deployments.wishes import Wish


class Clock:
    """Time that stands until it is told to go on."""

    now = 0.0

    def __call__(self):
        return self.now


def ask(session=None, *, turn="t", continues=False, tokens=10):
    return Ask("2+2?", Wish(session_id=session), Needs(tokens), turn, continues)


def test_a_session_is_found_again():
    """
    With its model and what the upstream has cached of it.
    """
    sessions = Sessions(Stickiness())
    sessions.note("ann", ask("s", tokens=500), "large")

    assert sessions.held("ann", ask("s", turn="other")) == Held("large", 500)


def test_clients_do_not_share_sessions():
    """
    Two of them may choose the same id.
    """
    sessions = Sessions(Stickiness())
    sessions.note("ann", ask("s"), "large")

    assert sessions.held("bob", ask("s")) is None


def test_tool_results_find_the_turn_they_belong_to():
    """
    Without a session id; a new question finds nothing.
    """
    sessions = Sessions(Stickiness())
    sessions.note("ann", ask(), "large")

    assert sessions.held("ann", ask(continues=True)) == Held("large", 10)
    assert sessions.held("ann", ask()) is None


def test_a_bare_prompt_belongs_to_nothing():
    """
    It is not remembered.
    """
    sessions = Sessions(Stickiness())

    sessions.note("ann", ask(turn=None), "large")

    assert len(sessions) == 0


def test_a_silent_session_is_forgotten():
    """
    Its time starts anew whenever it speaks.
    """
    clock = Clock()
    sessions = Sessions(Stickiness(ttl_s=60.0), clock)
    sessions.note("ann", ask("s"), "large")
    clock.now = 59.0
    sessions.note("ann", ask("s"), "large")
    clock.now = 118.0

    assert sessions.held("ann", ask("s"))
    clock.now = 120.0
    assert sessions.held("ann", ask("s")) is None


def test_sessions_are_bounded():
    """
    The one that is silent for longest makes room.
    """
    sessions = Sessions(Stickiness(max_sessions=2))
    for name in ("first", "second", "third"):
        sessions.note("ann", ask(name), "large")

    assert sessions.held("ann", ask("first")) is None
    assert sessions.held("ann", ask("third"))
    assert len(sessions) == 2
