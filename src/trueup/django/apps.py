"""The application that a project installs."""

from __future__ import annotations

from django.apps import AppConfig


class TrueupConfig(AppConfig):
    """Brings the commands, the system check and the admin pages; no table is made."""

    name = "trueup.django"
    label = "trueup"
    verbose_name = "trueup"

    def ready(self) -> None:
        """Register the system check."""
        from trueup.django import system_checks  # noqa: F401 - importing registers
