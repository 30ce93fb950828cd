"""The application that a project installs."""

from __future__ import annotations

from django.apps import AppConfig


class TrueupConfig(AppConfig):
    """Brings the commands and the system check; it has no models."""

    name = "trueup.django"
    label = "trueup"
    verbose_name = "trueup"

    def ready(self) -> None:
        """Register the system check."""
        from trueup.django import system_checks  # noqa: F401 - importing registers
