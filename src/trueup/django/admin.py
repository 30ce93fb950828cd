"""Pages in Django's admin: the checks, a scan, an explanation, the runs. They only read; changes are made by commands.

They are there once `django.contrib.admin` is installed, for those who may view `data health`. Rows are counted, not
shown: who may see this page need not be allowed to see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from trueup.config.strategy import MEANING
from trueup.django.databases import project_config
from trueup.django.models import Health
from trueup.errors import TrueupError
from trueup.results import CheckResult, RunReport, Scan, moment
from trueup.verbs.checklist import checklist
from trueup.verbs.explain import explain
from trueup.verbs.runs import runs, status
from trueup.verbs.scan import scan


@admin.register(Health)
class HealthAdmin(admin.ModelAdmin):
    """No rows of a model: pages over trueup's verbs."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing can be added."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing can be deleted."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing can be changed."""
        return False

    def get_urls(self) -> list[Any]:
        """The overview, a run, an explanation."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self._page(self.overview)), name="trueup_health_changelist"),
            path("run/<str:run_id>/", wrap(self._page(self.one_run)), name="trueup_health_run"),
            path("explain/<path:check>/", wrap(self._page(self.explained)), name="trueup_health_explain"),
        ]

    def _page(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """A view for those who may look; what trueup cannot do becomes a line on the page."""

        def shown(request: HttpRequest, **named: str) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            try:
                return view(request, **named)
            except TrueupError as error:
                return self._render(request, "health", "Data health", error=str(error))

        return shown

    def overview(self, request: HttpRequest) -> HttpResponse:
        """The checks and the runs; after POST, what a scan of just now found."""
        config = project_config()
        found: Scan | None = scan(config, samples=0) if request.method == "POST" else None
        return self._render(
            request,
            "health",
            "Data health",
            environment=config.environment,
            checks=config.checks,
            scan=found,
            results=[_line(one) for one in found.results] if found else [],
            runs=[_told(one) for one in runs(config)],
        )

    def one_run(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """One run: what became of its operations, and its checklist."""
        config = project_config()
        if run_id not in {one.run_id for one in runs(config)}:
            raise Http404(f"there is no run {run_id}")
        report = status(config, run_id)
        return self._render(
            request, "run", f"Run {run_id}", run=_told(report), report=report, boxes=checklist(config, run_id)
        )

    def explained(self, request: HttpRequest, check: str) -> HttpResponse:
        """Where the broken rows of a check come from, as `trueup explain --html` draws it."""
        from trueup.reports.documents.explanation import explanation_html

        config = project_config()
        if check not in {one.title for one in config.checks}:
            raise Http404(f"there is no check {check}")
        return HttpResponse(explanation_html(explain(config, check)))

    def _render(self, request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
        about = {**self.admin_site.each_context(request), "title": title, "opts": Health._meta, **context}
        return TemplateResponse(request, f"trueup/{name}.html", about)


def _line(result: CheckResult) -> dict[str, str]:
    """A check as a line: what it found, and what that asks for."""
    asks = f"{result.letter}: {MEANING[result.letter]}" if result.findings else ""
    if result.skipped:
        asks = f"{asks} {result.skipped:,} rows not judged: {result.skipped_because}".strip()
    return {
        "title": result.title,
        "reason": result.reason if result.status == "not checked" else "",
        "broken": f"{result.findings:,}",
        "healthy": "" if result.findings else "yes",
        "rows": f"{result.rows:,}",
        "asks": asks,
    }


def _told(report: RunReport) -> dict[str, Any]:
    """A run as a line: its start as a moment, its counts as words."""
    return {
        "id": report.run_id,
        "state": report.state,
        "started": moment(report.started, to_the_minute=True),
        "planned": f"{report.planned:,}",
        "counts": ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in report.states.items() if count),
        "because": report.because,
    }
