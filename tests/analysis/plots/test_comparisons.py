import matplotlib as mpl
import matplotlib.pyplot as plt
import polars as pl
import pytest
from matplotlib.colors import to_hex

from analysis import Metric, compare_variants
from analysis.errors import AnalysisError, ColumnError
from analysis.plots import VERDICT_COLOURS, plot_comparison, plot_cost_and_quality
from analysis.plots.axes import PERCENT

mpl.use("Agg")

ROW = {
    "metric": "kept",
    "variant": "short",
    "baseline": "long",
    "calls": 1000,
    "unpaired_calls": 0,
    "clusters": None,
    "value": 0.8,
    "baseline_value": 0.7,
    "difference": 0.1,
    "low": 0.05,
    "high": 0.2,
    "ratio": None,
    "ratio_low": None,
    "ratio_high": None,
    "margin": None,
    "verdict": "better",
    "detectable": 0.01,
    "method": "share: Tango, 95 %",
    "few_calls": False,
}
COST = {"metric": "price_usd", "value": 0.006, "baseline_value": 0.01, "difference": -0.004, "low": -0.005}
COST |= {"high": -0.003, "ratio": 0.6, "ratio_low": 0.5, "ratio_high": 0.7, "method": "mean: t and Hall, 95 %"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def frame(*rows):
    return pl.DataFrame([ROW | row for row in rows], infer_schema_length=None)


def lines_of(ax):
    """The ends of each horizontal line that is an interval."""
    return [line.get_segments()[0][:, 0].round(6).tolist() for line in ax.collections]


def notes_of(ax):
    return [text.get_text() for text in ax.texts]


def test_each_difference_has_a_row_its_interval_and_its_numbers(kind):
    ax = plot_comparison(kind.make(frame(COST, {})))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "price: short",
        "kept: short",
    ]
    assert ax.get_title(loc="left") == "Differences from long"
    # Scaled to the widest of each metric: .005 and .2.
    assert lines_of(ax) == [[-1.0, -0.6], [0.25, 1.0]]
    assert notes_of(ax) == ["40 % less, 30 to 50", "80.0 % of calls against 70.0 %: +10.0 points, +5.0 to +20.0"]


def test_the_verdict_is_a_colour_with_a_legend():
    ax = plot_comparison(frame({"verdict": "not_worse"}, {"variant": "json", "verdict": "worse"}))
    points = [to_hex(line.get_color()).upper() for line in ax.lines if line.get_marker() == "o"]
    assert points == [VERDICT_COLOURS["not_worse"], VERDICT_COLOURS["worse"]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["not worse", "worse"]


def test_a_margin_is_a_band_on_both_sides():
    ax = plot_comparison(frame({"margin": 0.1}, {"variant": "json"}))
    (band,) = ax.patches
    assert (band.get_x(), band.get_width()) == pytest.approx((-0.5, 1.0))


def test_rows_of_one_metric_share_its_scale():
    ax = plot_comparison(frame({"high": 0.4}, {"variant": "json"}))
    assert lines_of(ax) == [[0.125, 1.0], [0.125, 0.5]]


def test_what_is_not_known_is_said():
    nothing = dict.fromkeys(("value", "baseline_value", "difference", "low", "high"))
    ax = plot_comparison(frame(nothing | {"verdict": "undecided"}, {"variant": "json", "low": None, "high": None}))
    assert notes_of(ax) == ["no call has a value of both", "spread not known"]


def test_cost_and_quality_have_the_intervals_of_their_differences(kind):
    ax = plot_cost_and_quality(kind.make(frame(COST, {})), "kept")
    points = {text.get_text(): tuple(text.xy) for text in ax.texts}
    assert points == {"long": pytest.approx((10, 0.7)), "short": pytest.approx((6, 0.8))}
    across, upright = (line.get_segments()[0].round(6).tolist() for line in ax.collections)
    # 10 - 5 to 10 - 3, and .7 + .05 to .7 + .2.
    assert across == [[5.0, 0.8], [7.0, 0.8]]
    assert upright == [[6.0, 0.75], [6.0, 0.9]]


def path_of(ax):
    """The costs of the points that are joined."""
    return next(line.get_xdata().round(6).tolist() for line in ax.lines if line.get_marker() == "None")


def rows_of_three():
    """The baseline costs 10 and is worth .7; `short` 6 and .8, `json` 8 and .6."""
    json = {"variant": "json", "value": 0.6, "difference": -0.1, "low": -0.2, "high": -0.05}
    cost = COST | {"variant": "json", "value": 0.008, "difference": -0.002, "low": -0.003, "high": -0.001}
    return frame(COST, cost, json, {})


def test_what_none_beats_is_joined():
    assert path_of(plot_cost_and_quality(rows_of_three(), Metric("kept"))) == [6.0]
    # Where less is better, the cheapest and the one below it.
    assert path_of(plot_cost_and_quality(rows_of_three(), Metric("kept", better="lower"))) == [6.0, 8.0]


def test_several_baselines_are_refused():
    with pytest.raises(AnalysisError, match="several baselines; pass baseline= to compare_variants"):
        plot_cost_and_quality(frame(COST, {}, {"baseline": "json"}), "kept")


@pytest.mark.parametrize(("rows", "name"), [([{}], "price_usd"), ([COST], "kept")])
def test_what_was_not_compared_is_named(rows, name):
    with pytest.raises(AnalysisError, match=f"no metric '{name}'; there are"):
        plot_cost_and_quality(frame(*rows), "kept")


def test_no_rows_make_empty_axes_that_can_be_drawn(kind, measure_nothing):
    compared = compare_variants(kind.make(measure_nothing), [Metric("kept"), "cost_usd"])
    for ax in (plot_comparison(compared), plot_cost_and_quality(compared, "kept")):
        ax.figure.draw_without_rendering()
        assert ax.texts == [] or list(ax.texts) == []


@pytest.fixture
def measure_nothing():
    return pl.DataFrame(schema={"call_id": pl.String, "variant": pl.String, "kept": pl.Boolean, "cost_usd": pl.Float64})


def test_plots_use_the_given_axes():
    _, ax = plt.subplots()
    assert plot_comparison(frame(COST, {}), ax) is ax
    assert plot_cost_and_quality(frame(COST, {}), "kept", ax) is ax


@pytest.mark.parametrize("plot", [plot_comparison, lambda rows: plot_cost_and_quality(rows, "kept")])
def test_a_missing_column_is_named(plot):
    with pytest.raises(ColumnError, match="comparisons: no column 'verdict'"):
        plot(frame(COST, {}).drop("verdict"))


def test_ticks_between_points_have_names_of_their_own():
    assert [PERCENT(share, None) for share in (0.07, 0.9925, 0.9975, 1.0025)] == [
        "7 %",
        "99.25 %",
        "99.75 %",
        "100.2 %",
    ]
