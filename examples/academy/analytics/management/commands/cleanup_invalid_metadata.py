"""Cleans up events whose metadata is no object. trueup does the work: it is journaled, and can be taken back."""

from trueup.django.cleanup import CleanupCommand


class Command(CleanupCommand):
    help = "Finds events whose metadata is no object, and sets it to NULL once confirmed. The events are kept."
    table = "analytics_activityevent"
    column = "metadata"
    group_by = "event_type"
    critical = {"high": ("quiz_answer_submitted", "quiz_completed"), "low": ("content_viewed",)}
    repairs = ("decode", "nullify")
