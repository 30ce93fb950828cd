"""The entry in Django's admin; no table stands behind it."""

from __future__ import annotations

from django.db import models


class Health(models.Model):
    """What `trueup.view_health` gives the right to see: the scan's counts and the runs."""

    class Meta:
        """No table, and one permission."""

        managed = False
        default_permissions = ("view",)
        verbose_name = verbose_name_plural = "data health"
