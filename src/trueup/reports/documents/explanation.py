"""An explanation as JSON, and as one HTML file that needs no network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources

from trueup.explain.explainer import Breakdown, Explanation, share
from trueup.reports._words import number, safe
from trueup.reports.plain import plain

FORMAT = 1
#: Bars that a chart by day draws before it sums days up.
BARS = 120


def explanation_json(found: Explanation) -> str:
    """The document: the fields of `Explanation`, durations in whole milliseconds, rates as text."""
    document = asdict(found)
    document["milliseconds"] = round(document.pop("seconds") * 1000)
    if found.pattern is not None:
        risk = document["pattern"].pop("risk")
        document["pattern"]["risk_ratio"] = f"{risk:.1f}"
        document["pattern"]["support"] = f"{found.pattern.broken} of {found.broken}"
    return json.dumps({"format": FORMAT, **plain(document)}, indent=2, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a chart, in its own units: `width` and `height` in the chart's coordinates."""

    label: str
    broken: int
    rows: int
    rate: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A breakdown as a drawing: columns for days, horizontal bars for the rest."""

    title: str
    by_day: bool
    bars: tuple[Bar, ...]
    width: float
    height: float
    more: int = 0
    first: str = ""
    last: str = ""
    most: int = 0


def charts(found: Explanation) -> list[Chart]:
    """Every breakdown as a drawing."""
    return [_columns(one) if one.by.startswith("day of ") else _rows(one) for one in found.breakdowns]


def _columns(one: Breakdown) -> Chart:
    """Days from left to right; more days than fit are summed up by month."""
    slices = [(s.value, s.broken, s.rows) for s in one.slices]
    if len(slices) > BARS:
        months: dict[str, list[int]] = {}
        for value, broken, rows in slices:
            month = months.setdefault(value[:7], [0, 0])
            month[0] += broken
            month[1] += rows
        slices = [(month, *counts) for month, counts in months.items()]  # type: ignore[misc]  # two numbers each
    most = max(broken for _, broken, _ in slices)
    wide, high = 720.0, 160.0
    step = min(40.0, wide / len(slices))
    bars = []
    for i, (value, broken, rows) in enumerate(slices):
        tall = high * broken / most
        bars.append(
            Bar(
                label=safe(value),
                broken=broken,
                rows=rows,
                rate=share(broken, rows),
                x=i * step,
                y=high - tall,
                width=step * 0.8,
                height=tall,
            )
        )
    return Chart(
        title=one.by,
        by_day=True,
        bars=tuple(bars),
        width=wide,
        height=high,
        more=0,
        first=bars[0].label,
        last=bars[-1].label,
        most=most,
    )


def _rows(one: Breakdown) -> Chart:
    most = max(s.broken for s in one.slices)
    bars = [
        Bar(
            label=safe(s.value, 60),
            broken=s.broken,
            rows=s.rows,
            rate=share(s.broken, s.rows),
            x=0,
            y=i * 22.0,
            width=100 * s.broken / most,
            height=16,
        )
        for i, s in enumerate(one.slices)
    ]
    return Chart(
        title=one.by,
        by_day=False,
        bars=tuple(bars),
        width=100,
        height=22.0 * len(bars),
        more=one.distinct - len(bars),
        most=most,
    )


def explanation_html(found: Explanation, *, when: str = "") -> str:
    """The page: no script, no address, every value escaped; light or dark as the reader's system is."""
    return page("explanation.html", title=f"{found.check} explained", found=found, charts=charts(found), when=when)


def page(template: str, **values: object) -> str:
    """A template of the package filled in. Raises `UsageError` where Jinja2 is not installed."""
    from trueup.errors import UsageError

    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError:
        raise UsageError("an HTML report needs Jinja2: pip install 'trueup[reports]'") from None

    def load(name: str) -> str:
        return (resources.files("trueup") / "templates" / name).read_text(encoding="utf-8")

    environment = Environment(loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": number, "safe_text": safe}
    return environment.get_template(template).render(**values)
