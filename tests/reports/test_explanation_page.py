"""The page of `explain` in a real browser: light and dark, narrow and wide, with no network."""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from tests.browser import contrast
from trueup.explain.explainer import Breakdown, Explanation, Slice
from trueup.explain.patterns import Pattern, Term
from trueup.reports.documents.explanation import explanation_html

LONG = "a_column_value_that_goes_on_and_on_" * 4


def page() -> str:
    days = tuple(Slice(f"2025-11-{day:02}", 400, 156 if day == 3 else day % 3) for day in range(1, 31))
    values = (Slice("quiz_answer_submitted", 3000, 142), Slice(LONG, 800, 9), Slice("<b>bold</b>", 20, 1))
    return explanation_html(
        Explanation(
            check="metadata-holds-an-object",
            kind="wrong-json-type",
            store="app",
            table="analytics_activityevent",
            columns=("metadata",),
            rows=12_000,
            broken=186,
            types=(("integer", 150), ("string", 36)),
            breakdowns=(Breakdown("day of timestamp", days, 30), Breakdown("event_type", values, 40)),
            pattern=Pattern((Term("event_type", "quiz_answer_submitted"),), 160, 142, 950.0),
            sentences=("142 of 186 have event_type = 'quiz_answer_submitted'", "of 2 types: integer 150, string 36"),
            environment="production",
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_can_be_read(browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], width: int) -> None:
    file = tmp_path / "explained.html"
    file.write_text(page(), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
    asked: list[str] = []
    said: list[str] = []
    opened = context.new_page()
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(file.as_uri())
    assert asked == [file.as_uri()], "the page asked for something else"
    assert said == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width, "it is wider than the window"
    assert opened.title() == "metadata-holds-an-object explained"
    assert opened.locator("b").count() == 0, "a value became markup"
    assert opened.locator("figure rect").count() == 30
    tallest: Any = opened.locator("figure rect").nth(2).bounding_box()
    others: Any = opened.locator("figure rect").nth(3).bounding_box()
    assert tallest["height"] > 100 > others["height"]
    for selector in ("body", ".soft", ".bad", "td"):
        assert contrast(opened, selector) >= 4.5, f"{selector} is hard to read in {scheme}"
    opened.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    context.close()
