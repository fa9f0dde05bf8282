import io
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex

from analysis.columns import read_columns
from analysis.errors import ColumnError
from analysis.plots import (
    STOP_COLOURS,
    plot_costs,
    plot_estimate,
    plot_lengths,
    plot_output_tokens,
    plot_stop_reasons,
    plot_truncation,
)

mpl.use("Agg")

COSTS = {
    "variant": pl.String,
    "calls": pl.Int64,
    "cost_usd": pl.Float64,
    "truncated_cost_usd": pl.Float64,
    "failed_cost_usd": pl.Float64,
}
COUNTS = {"variant": pl.String, "stop": pl.String, "answers": pl.Int64, "share": pl.Float64}
BANDS = {"variant": pl.String, "length_from": pl.Int64, "length_to": pl.Int64, **COUNTS}
SHARES = {
    "variant": pl.String,
    "answers": pl.Int64,
    "share": pl.Float64,
    "share_low": pl.Float64,
    "share_high": pl.Float64,
}
ANSWERS = {"variant": pl.String, "stop": pl.String, "output_tokens": pl.Int64, "max_tokens": pl.Int64}
COMPARISON = {"variant": pl.String, "records": pl.Int64}
COMPARISON |= dict.fromkeys(["cost_usd_estimate", "cost_usd_low", "cost_usd_high", "cost_usd"], pl.Float64)
PLOTS = {
    plot_costs: COSTS,
    plot_stop_reasons: COUNTS,
    plot_truncation: SHARES,
    plot_output_tokens: ANSWERS,
    plot_estimate: COMPARISON,
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def frame(schema, *rows):
    return pl.DataFrame(rows, schema, orient="row")


def rows_of(ax):
    return [tick.get_text() for tick in ax.get_yticklabels()]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def notes_of(ax):
    return [text.get_text() for text in ax.texts]


def bars_of(ax):
    return [(to_hex(bar.get_facecolor()).upper(), round(bar.get_width(), 6)) for bar in ax.patches]


def test_calls_are_counted_by_their_length(kind):
    ax = plot_lengths(kind.make(pl.DataFrame({"transcript": ["a" * 10, "é" * 10, "b" * 400, None]})))
    # 40 bins of 10 characters: 10 falls into the second, 400 into the last.
    assert [int(bar.get_height()) for bar in ax.patches] == [0, 2, *[0] * 37, 1]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("characters of a transcript", "calls")


def test_no_calls_make_empty_axes(kind):
    ax = plot_lengths(kind.make(pl.DataFrame(schema={"transcript": pl.String})))
    assert sum(bar.get_height() for bar in ax.patches) == 0


def test_costs_are_labelled_in_the_order_of_the_frame(kind):
    summary = frame(COSTS, ("cheap", 5, 0.5, 0.0, 0.0), ("dear", 5, 2.0, 0.0, 0.0))
    ax = plot_costs(kind.make(summary))
    assert rows_of(ax) == ["cheap", "dear"]
    assert bars_of(ax) == [(STOP_COLOURS["end"], 0.5), (STOP_COLOURS["end"], 2.0)]
    assert notes_of(ax) == ["0.5", "2.00"]
    assert ax.get_legend() is None
    assert ax.get_xlabel() == "cost in USD"
    assert ax.get_xlim()[0] == 0


def test_answers_that_may_be_truncated_are_not_drawn_as_whole(kind):
    ax = plot_costs(kind.make(frame(COSTS, ("a", 5, 2.0, None, 0.5), ("b", 5, 1.0, 0.0, 0.0))))
    parts = ["end", "end", "other", "other", "failed", "failed"]
    assert bars_of(ax) == list(zip([STOP_COLOURS[part] for part in parts], [0.0, 1.0, 1.5, 0.0, 0.5, 0.0], strict=True))
    assert legend_of(ax) == ["whole answers", "whole or truncated", "failed records"]


def test_wasted_cost_is_a_part_of_the_bar_with_a_legend(kind):
    ax = plot_costs(kind.make(frame(COSTS, ("a", 5, 2.0, 0.5, None))))
    assert bars_of(ax) == [(STOP_COLOURS["end"], 1.5), (STOP_COLOURS["length"], 0.5)]
    assert legend_of(ax) == ["whole answers", "truncated answers"]
    assert notes_of(ax) == ["2.00"]


def test_a_variant_without_a_price_is_labelled(kind):
    ax = plot_costs(kind.make(frame(COSTS, ("a", 5, None, None, None), ("b", 5, 1.0, 0.0, 0.0))))
    assert rows_of(ax) == ["a", "b"]
    assert notes_of(ax) == ["cost not known", "1.00"]


def test_unreadable_lines_have_no_bar(kind):
    summary = frame(COSTS, ("short", 5, 2.0, 0.0, 0.0), (None, 0, None, 0.0, None))
    assert rows_of(plot_costs(kind.make(summary))) == ["short"]


def test_an_unknown_bill_has_an_axis_of_plain_numbers(kind):
    ax = plot_costs(kind.make(frame(COSTS, ("short", 5, None, None, None))))
    assert ax.get_xlim()[1] > 1


def test_a_bill_without_groups_is_one_bar(kind):
    ax = plot_costs(kind.make(frame(COSTS, ("a", 5, 1.0, 0.0, 0.0)).drop("variant")))
    assert rows_of(ax) == ["all"]


def test_stops_keep_their_colours_and_failures_are_shown(kind):
    counts = frame(COUNTS, ("a", "end", 1, 0.5), ("a", None, 1, 0.5), ("b", "end", 3, 0.75), ("b", "length", 1, 0.25))
    ax = plot_stop_reasons(kind.make(counts))
    assert rows_of(ax) == ["a", "b"]
    assert legend_of(ax) == ["end", "length (truncated)", "no answer"]
    ended, truncated, failed = ([width for _, width in bars_of(ax)][first : first + 2] for first in (0, 2, 4))
    assert (ended, truncated, failed) == ([0.5, 0.75], [0.0, 0.25], [0.5, 0.0])
    assert {colour for colour, _ in bars_of(ax)} == {STOP_COLOURS[stop] for stop in ("end", "length", "failed")}


def test_percents_stand_on_the_parts_of_bars_that_have_room(kind):
    counts = frame(
        COUNTS, ("a", "end", 95, 0.95), ("a", "length", 5, 0.05), ("b", "end", 1, 0.25), ("b", None, 3, 0.75)
    )
    ax = plot_stop_reasons(kind.make(counts))
    places = [(text.get_text(), *text.get_position()) for text in ax.texts]
    assert places == [("95 %", 0.475, 0), ("25 %", 0.125, 1), ("75 %", 0.625, 1)]


def test_bands_of_length_keep_their_order(kind):
    counts = frame(
        BANDS, ("a", 0, 1000, "length", 1, 1.0), ("a", 1000, 2500, "end", 1, 1.0), ("a", None, None, None, 1, 1.0)
    )
    ax = plot_stop_reasons(kind.make(counts))
    assert rows_of(ax) == ["a · 0 to 1,000", "a · 1,000 to 2,500", "a · no length"]


def test_truncation_is_a_point_with_its_interval(kind):
    shares = frame(SHARES, ("a", 10, 0.1, 0.05, 0.3), ("b", 10, 0.2, 0.1, 0.4), ("c", 0, None, None, None))
    ax = plot_truncation(kind.make(shares))
    assert rows_of(ax) == ["a", "b", "c"]
    assert ax.lines[0].get_xdata()[:2].tolist() == [0.1, 0.2]
    assert [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()[:2]] == [[0.05, 0.3], [0.1, 0.4]]
    assert notes_of(ax) == ["no answers", "10.0 %", "20.0 %"]


def test_answer_lengths_pile_up_before_max_tokens(kind):
    answers = frame(
        ANSWERS, ("a", "end", 10, 100), ("a", "length", 100, 100), ("b", "end", 200, 400), ("a", None, None, None)
    )
    ax = plot_output_tokens(kind.make(answers))
    assert rows_of(ax) == ["a", "b"]
    assert legend_of(ax) == ["ended by itself", "truncated", "max_tokens"]
    (pile,) = [
        bar for bar in ax.patches if to_hex(bar.get_facecolor()).upper() == STOP_COLOURS["length"] and bar.get_height()
    ]
    assert pile.get_x() + pile.get_width() == pytest.approx(100)
    assert ax.get_xlabel() == "output tokens per answer"


def test_the_bill_is_drawn_on_the_estimate(kind):
    rows = [("a", 5, 1.0, 0.5, 2.0, 1.5), ("b", 5, None, None, None, None), ("c", 5, 4.0, 3.0, 5.0, None)]
    ax = plot_estimate(kind.make(frame(COMPARISON, *rows)))
    assert rows_of(ax) == ["a", "b", "c"]
    assert [line.get_xdata()[0] for line in ax.lines] == [1.0, 1.5]
    assert legend_of(ax) == ["bill", "estimate", "estimate, low to high"]
    assert notes_of(ax) == ["cost not known"]
    assert ax.get_xlim() == pytest.approx((0, 5.25))


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
def test_no_rows_make_empty_axes_that_can_be_drawn(plot, kind):
    ax = plot(kind.make(frame(PLOTS[plot])))
    ax.figure.draw_without_rendering()
    assert rows_of(ax) == []


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
def test_a_plot_uses_the_given_axes_and_does_not_change_the_frame(plot, kind):
    _, ax = plt.subplots()
    some = kind.make(frame(PLOTS[plot]))
    before = list(read_columns(some, [], of="frame").columns)
    assert plot(some, ax) is ax
    assert list(some.columns) == before


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
def test_a_missing_column_is_named(plot):
    with pytest.raises(ColumnError, match="no column"):
        plot(frame(PLOTS[plot]).select("variant"))


def test_the_package_comes_without_matplotlib():
    code = "import sys, analysis.metrics.costs, analysis.metrics.stop_reasons; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


HOSTILE = [r"$\frac{1}{0$", "$x$", "a$", r"\$5 to \$6", "{}%s", "$" * 9, "a\x1b[31m\u202eb\nc", "x" * 5000, "", " "]


def draw(plot, label):
    """Draw one row whose key is hostile, to a file as the first page does."""
    rows = {
        plot_costs: (label, 5, 1.0, 0.2, 0.1),
        plot_stop_reasons: (label, "end", 5, 1.0),
        plot_truncation: (label, 5, 0.5, 0.4, 0.6),
        plot_output_tokens: (label, "end", 5, 10),
        plot_estimate: (label, 5, 1.0, 0.5, 2.0, 1.5),
    }
    ax = plot(frame(PLOTS[plot], rows[plot]))
    ax.figure.savefig(io.BytesIO(), format="png")
    return ax


@pytest.mark.parametrize("label", HOSTILE)
@pytest.mark.parametrize("plot", PLOTS)
def test_a_label_is_text_and_no_formula(plot, label):
    (text,) = draw(plot, label).get_yticklabels()
    expected = label.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e").replace("\n", " ")
    assert text.get_text() == (expected if len(label) < 60 else "x" * 57 + "...")
    assert not text.get_parse_math()
    assert not text.get_usetex()


@pytest.mark.parametrize("plot", [plot_costs, plot_truncation, plot_output_tokens, plot_estimate])
def test_a_column_without_numbers_is_refused(plot):
    schema = {name: pl.String if kind == pl.Float64 or "tokens" in name else kind for name, kind in PLOTS[plot].items()}
    with pytest.raises(ColumnError, match=r"has the type String, not numbers; pass the frame as the function"):
        plot(pl.DataFrame(schema=schema))


@pytest.mark.parametrize("plot", [plot_costs, plot_truncation, plot_estimate])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_not_finite_is_not_known(plot, value):
    row = [value if kind == pl.Float64 else 5 if kind == pl.Int64 else "a" for kind in PLOTS[plot].values()]
    ax = plot(frame(PLOTS[plot], tuple(row)))
    ax.figure.savefig(io.BytesIO(), format="png")
    assert all(np.isfinite(ax.get_xlim()))


def test_lengths_are_those_of_texts():
    with pytest.raises(ColumnError, match="'transcript' has the type Binary, not text"):
        plot_lengths(pl.DataFrame({"transcript": [b"x"]}))
