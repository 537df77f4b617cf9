"""What a long job shows: on a terminal, in a log, to a machine, and at its end."""

import io
import json

import pytest
from rich.console import Console

from pipelines.terminal.bars import Bars, bars
from pipelines.terminal.progress import event_lines, log_lines, progress
from pipelines.terminal.stage_text import clock_text, seconds_table
from pipelines.terminal.stages import IDLE_S, FreeResources, Stages


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s

    def wait(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def written():
    return io.StringIO()


@pytest.fixture
def logged(clock, written):
    """Stages whose lines go to `written`."""
    return Stages(log_lines(written), clock=clock)


@pytest.fixture
def event_stages(clock, written):
    """Stages whose events go to `written`."""
    return Stages(event_lines(written), clock=clock)


def shown(renderable, width=100):
    """What a terminal of this width shows, without its colours."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(renderable)
    return console.file.getvalue()


def events(written):
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_to_begin_a_stage_ends_the_one_before(clock):
    """
    Every second belongs to one stage, so that their seconds add up to the job's.
    """
    stages = Stages(clock=clock)
    stages.begin("reading")
    clock.wait(2)
    stages.begin("embedding", 10)
    clock.wait(3)
    stages.end()

    assert [stage.seconds(clock.now_s) for stage in stages.all] == [2, 3]
    assert stages.seconds() == 5
    assert stages.current is None


def test_rows_of_earlier_runs_are_in_no_rate(clock):
    """
    A run that goes on has done them, but not in these seconds.
    """
    stages = Stages(clock=clock)
    stages.begin("predicting", 1000, done=900)
    clock.wait(10)
    stages.advance(50)

    stage = stages.current
    assert (stage.done, stage.rows) == (950, 50)
    assert stage.rate(clock.now_s) == stage.mean_rate(clock.now_s) == 5
    assert stage.left_s(clock.now_s) == 10


def test_the_rate_is_that_of_late(clock):
    """
    A slow start is forgotten after half a minute; the whole stage's rate stays apart.
    """
    stages = Stages(clock=clock)
    stages.begin("embedding", 10_000)
    clock.wait(100)
    for _ in range(60):
        stages.advance(20)
        clock.wait(1)

    stage = stages.current
    assert stage.rate(clock.now_s) == pytest.approx(20, rel=0.1)
    assert stage.mean_rate(clock.now_s) == 1200 / 160


def test_blocks_slower_than_the_window_still_have_a_rate(clock):
    """
    It is taken over the last few of them, however long ago they were.
    """
    stages = Stages(clock=clock)
    stages.begin("embedding", 10_000)
    for _ in range(6):
        clock.wait(100)
        stages.advance(256)

    assert stages.current.rate(clock.now_s) == 2.56


def test_what_is_unknown_is_a_dash_and_null(clock, written, event_stages):
    """
    Before the first row the rate and the time left are unknown, not zero.
    """
    event_stages.begin("embedding", 60_000)
    clock.wait(6)
    event_stages.refresh()

    (event,) = events(written)
    assert event["rate_per_s"] is event["left_s"] is event["usd"] is event["waiting"] is None
    lines = Stages(log_lines(log := io.StringIO()), clock=clock)
    lines.begin("embedding", 60_000)
    clock.wait(10)
    lines.refresh()
    assert log.getvalue().startswith("embedding     0 of 60,000 (0 %)  –/s  – left")


def test_a_log_gets_a_line_now_and_then(clock, written, logged):
    """
    One in ten seconds however often it is looked at, readable and without control characters.
    """
    logged.begin("embedding", 60_000)
    for _ in range(40):
        clock.wait(0.5)
        logged.advance(155)
        logged.refresh()

    first, second = written.getvalue().splitlines()
    assert first == "embedding     3,100 of 60,000 (5 %)  310/s  3:04 left"
    assert second == "embedding     6,200 of 60,000 (10 %)  310/s  2:54 left"


def test_a_log_gets_a_line_when_a_stage_ends(clock, written, logged):
    """
    However short it was, with what failed and what was spent.
    """
    logged.begin("starting Ray")
    clock.wait(6.2)
    logged.begin("measuring", 200, usd=1.0)
    clock.wait(100)
    logged.advance(79, errors=3, usd=0.5, possibly_billed_usd=0.25)
    logged.end()

    assert written.getvalue().splitlines() == [
        "starting Ray  took 6.2 s",
        "measuring     79 of 200 (40 %)  0.79/s  took 1:40  3 failed  "
        "spent $1.5, perhaps $0.25 more",
    ]


def test_a_log_tells_rows_of_earlier_runs_apart(clock, written, logged):
    """
    Else a thousand rows at five a second would seem to have taken ten seconds.
    """
    logged.begin("predicting", 1000, done=950)
    clock.wait(10)
    logged.advance(50)
    logged.end()

    assert written.getvalue() == "predicting    1,000 rows, 950 by earlier runs  5/s  took 10.0 s\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(154.2, "2:34"), (59.6, "1:00"), (7325, "2:02:05"), (None, "–")]
)
def test_times_are_minutes_or_hours(seconds, text):
    """
    As a clock shows them.
    """
    assert clock_text(seconds) == text


def test_without_a_cluster_nothing_is_waited_for(clock, written, logged):
    """
    A long computation is only slow.
    """
    logged.begin("fitting baselines", 6)
    clock.wait(40)
    logged.refresh()

    assert written.getvalue().endswith("– left  nothing new for 40 s\n")


def test_a_stage_that_stands_still_says_what_is_free(clock, written, logged):
    """
    A cluster without a free CPU makes a job wait in silence: its operator must see why.
    """
    logged.read_free_resources = lambda: FreeResources(0.0, 4.0)
    logged.begin("embedding", 66)
    clock.wait(30)
    logged.refresh()

    (line,) = written.getvalue().splitlines()
    assert "  waiting for the first row since 30 s; free CPUs 0 of 4: " in line
    assert line.endswith("a new worker must wait for a CPU")


def test_gpus_are_spoken_of_where_there_are_any(clock, written, logged):
    """
    Here the CPUs are free, and the GPU is what is waited for.
    """
    logged.read_free_resources = lambda: FreeResources(3.5, 4.0, 0.0, 2.0)
    logged.begin("embedding", 66)
    logged.advance(10)
    clock.wait(12)
    logged.refresh()

    (line,) = written.getvalue().splitlines()
    assert "  waiting since 12 s; free CPUs 3.5 of 4, GPUs 0 of 2: " in line
    assert line.endswith("a new worker must wait for a GPU")


def test_a_stage_that_moves_does_not_ask_what_is_free(clock, logged):
    """
    The cluster has better things to do.
    """
    reads = []
    logged.read_free_resources = lambda: reads.append(1)
    logged.begin("embedding", 66)
    clock.wait(IDLE_S - 1)
    logged.refresh()
    logged.advance()
    clock.wait(IDLE_S - 1)
    logged.refresh()

    assert reads == []


def test_events_name_what_waits(clock, written, event_stages):
    """
    The present stage for a worker, with what is free; the stages to come for each other.
    """
    event_stages.read_free_resources = lambda: FreeResources(0.0, 4.0)
    event_stages.plan("reading", "embedding", "predicting", "merging")
    event_stages.begin("embedding", 66)
    clock.wait(30)
    event_stages.refresh()

    (event,) = events(written)
    assert event["waiting"] == {
        "since_s": 30,
        "free_cpus": 0,
        "cpus": 4,
        "free_gpus": 0,
        "gpus": 0,
    }
    assert event["next"] == ["predicting", "merging"]


def test_events_end_with_the_seconds_of_a_stage(clock, written, event_stages):
    """
    A last progress with the final numbers, then what the stage took.
    """
    event_stages.begin("measuring", 10, usd=0.0)
    clock.wait(4)
    event_stages.advance(10, errors=2, usd=0.3)
    event_stages.end()

    assert events(written) == [
        {
            "event": "progress",
            "stage": "measuring",
            "done": 10,
            "total": 10,
            "rate_per_s": 2.5,
            "left_s": 0.0,
            "errors": 2,
            "usd": 0.3,
            "possibly_billed_usd": 0.0,
            "waiting": None,
            "next": [],
        },
        {
            "event": "stage",
            "stage": "measuring",
            "seconds": 4.0,
            "rows": 10,
            "rows_per_s": 2.5,
            "errors": 2,
        },
    ]


def test_a_log_that_takes_no_more_does_not_end_the_job(clock):
    """
    A full disk or a closed pipe loses lines, not hours of work.
    """

    class Full(io.StringIO):
        def write(self, text):
            raise OSError

    stages = Stages(log_lines(Full()), clock=clock)
    stages.begin("reading")
    stages.end()

    assert stages.all[0].ended_s is not None


def test_the_table_adds_up_stages_of_one_name(clock):
    """
    A job that predicts two sets has one line for it; shares are of all its seconds.
    """
    stages = Stages(clock=clock)
    for rows in (100, 300):
        stages.begin("starting Ray")
        clock.wait(3)
        stages.begin("predicting", rows)
        clock.wait(7)
        stages.advance(rows)
    stages.end()

    lines = [line.split() for line in shown(seconds_table(stages)).splitlines()]
    assert lines[1:] == [
        ["stage", "rows", "seconds", "rows/s", "share"],
        ["starting", "Ray", "–", "6.0", "–", "30", "%"],
        ["predicting", "400", "14.0", "29", "70", "%"],
        ["total", "20.0", "100", "%"],
    ]


def test_the_table_counts_failures_only_where_there_are_some(clock):
    """
    A column of zeros has no information.
    """
    stages = Stages(clock=clock)
    stages.begin("predicting", 2)
    stages.advance(2)
    without = shown(seconds_table(stages))
    stages.advance(0, errors=1)

    assert "failed" not in without
    assert "failed" in shown(seconds_table(stages))


@pytest.mark.parametrize("width", [80, 120])
def test_bars_show_how_far_every_stage_is(clock, width):
    """
    What has ended, what is worked on, and what waits for what; nothing is cut at 80 columns.
    """
    stages = Stages(clock=clock)
    stages.plan("measuring", "fitting baselines", "writing")
    stages.begin("reading")
    clock.wait(2)
    stages.begin("measuring", 60_000, usd=0.0)
    clock.wait(10)
    stages.advance(3_100, errors=12, usd=1.5)

    reading, measuring, waiting = shown(bars(stages), width).splitlines()
    assert reading.split()[::2] == ["reading", "0:02"]
    for part in ("3,100 of 60,000", "310/s", "3:04 left", "12 failed", "spent $1.5"):
        assert part in measuring
    assert waiting.rstrip() == "waiting for measuring: fitting baselines, then writing"


def test_bars_say_why_nothing_moves(clock):
    """
    Below them, in the words of the log.
    """
    stages = Stages(clock=clock)
    stages.read_free_resources = lambda: FreeResources(0.0, 4.0)
    stages.begin("embedding", 66)
    clock.wait(45)
    stages.refresh()

    assert "since 45 s; free CPUs 0 of 4" in shown(bars(stages)).splitlines()[-1]


def test_bars_are_gone_at_the_end(clock):
    """
    The table takes their place; a job refused before they were drawn leaves nothing at all.
    """
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    Bars(screen).stop()
    assert screen.file.getvalue() == ""

    display = Bars(screen)
    stages = Stages(display, clock=clock)
    stages.begin("embedding", 66)
    stages.refresh()
    display.stop()

    drawn = screen.file.getvalue()
    assert "embedding" in drawn
    assert drawn.endswith("\x1b[1A\x1b[2K")


def test_a_job_shows_its_stages_and_their_table(capsys):
    """
    On standard error: results on standard output can be piped on.
    """
    with progress() as stages:
        stages.begin("reading")
        stages.advance(3)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("reading       3 rows")
    assert "Seconds per stage" in err


def test_a_job_that_fails_shows_no_table(capsys):
    """
    The sentence about its failure must not be buried.
    """
    with pytest.raises(KeyError), progress() as stages:
        stages.begin("reading")
        raise KeyError

    assert capsys.readouterr().err == ""


def test_json_is_events_alone(capsys):
    """
    Every line can be read by a machine; a table is none.
    """
    with progress(as_json=True) as stages:
        stages.begin("reading")

    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["progress", "stage"]
