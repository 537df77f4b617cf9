"""``scope frontier``: a table, numbers or a picture."""

import json


def test_the_frontier_is_a_table_and_a_picture(scope, predicted, tmp_path):
    """
    Eleven alphas by default.
    """
    code, out, _ = scope(
        "frontier", "--predictions", predicted, "--output", tmp_path / "frontier.png"
    )

    assert code == 0
    assert len([line for line in out.splitlines() if line[:2] in ("0.", "1.")]) == 11
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")


def test_the_frontier_as_numbers(scope, predicted, tmp_path):
    """
    JSON for machines; an infinite trade-off is null.
    """
    output = tmp_path / "frontier.json"

    code, out, _ = scope(
        "frontier", "--predictions", predicted, "--alpha-steps", 3, "--json", "--output", output
    )

    points = json.loads(out)
    assert code == 0
    assert [point["alpha"] for point in points] == [0, 0.5, 1]
    assert (points[0]["trade_off"], points[2]["trade_off"]) == (None, 0)
    assert json.loads(output.read_text()) == points


def test_the_frontier_plans_what_the_anchors_show(scope, compared):
    """
    Twice the 3 USD of forecasts at alpha 0, once the 6 at alpha 1; one line says so.
    """
    flags = ["--predictions", compared, "--alpha-steps", 2]

    _, out, _ = scope("frontier", *flags)
    points = json.loads(scope("frontier", *flags, "--json")[1])

    assert "The plan includes +0.0 % to +100.0 % that the anchors show" in out
    assert [point["bill_ratio"] for point in points] == [2, 1]
    assert [point["planned"]["cost_usd"] for point in points] == [6, 6]


def test_a_picture_of_another_kind_is_refused(scope, predicted, tmp_path):
    """
    Before any work is done.
    """
    code, _, err = scope("frontier", "--predictions", predicted, "--output", tmp_path / "f.gif")

    assert code == 2
    assert "f.gif ends in neither .png, .svg, .pdf nor .json" in err
