"""The models of the academy, as far as its analytics need them."""

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from trueup.django import JSONObjectField, JSONTypeConstraint


class Subject(models.Model):
    name = models.CharField(max_length=100)


class Tag(models.Model):
    name = models.CharField(max_length=100)


class Quiz(models.Model):
    title = models.CharField(max_length=200)
    subject = models.ForeignKey(Subject, null=True, on_delete=models.SET_NULL)
    tags = models.ManyToManyField(Tag)
    language = models.CharField(max_length=10, default="en")
    computed_difficulty_score = models.FloatField(null=True)
    overall_success_rate = models.FloatField(null=True)
    attempt_count = models.IntegerField(default=0)


class Question(models.Model):
    quiz = models.ForeignKey(Quiz, on_delete=models.CASCADE, related_name="questions")
    text = models.TextField()
    computed_difficulty_score = models.FloatField(null=True)
    success_rate = models.FloatField(null=True)


class Profile(models.Model):
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    overall_ability_score = models.FloatField(default=400)


class UserPreference(models.Model):
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    languages_spoken = models.JSONField(default=list)
    interested_subjects = models.ManyToManyField(Subject)
    interested_tags = models.ManyToManyField(Tag)

    class Meta:
        constraints = [JSONTypeConstraint(field="languages_spoken", expected=["array"], name="languages_are_a_list")]


class EventType(models.TextChoices):
    CONTENT_VIEWED = "content_viewed"
    CONTENT_INTERACTION_TIME = "content_interaction_time"
    QUIZ_STARTED = "quiz_started"
    QUIZ_COMPLETED = "quiz_completed"
    QUIZ_SUBMITTED = "quiz_submitted"
    QUIZ_ANSWER_SUBMITTED = "quiz_answer_submitted"
    QUIZ_SESSION_TIME = "quiz_session_time"
    QUESTION_FOCUSED = "question_focused"
    QUESTION_UNFOCUSED = "question_unfocused"
    QUESTION_INTERACTION_TIME = "question_interaction_time"
    LESSON_CLICKED = "lesson_clicked"
    LESSON_COMPLETED = "lesson_completed"
    ANALYTICS_REPORT_GENERATED = "analytics_report_generated"


#: What the metadata of an event hold, as far as the analytics rely on it.
METADATA = {
    EventType.QUIZ_ANSWER_SUBMITTED: {
        "type": "object",
        "required": ["quiz_id", "question_id", "is_correct"],
        "properties": {
            "quiz_id": {"type": "integer"},
            "question_id": {"type": "integer"},
            "is_correct": {"type": "boolean"},
            "time_spent_ms": {"type": ["integer", "null"]},
            "attempt_index": {"type": "integer", "minimum": 1},
            "hints_used": {"type": "array"},
        },
    },
    EventType.QUIZ_SUBMITTED: {
        "type": "object",
        "required": ["correct_count", "total_answers"],
        "properties": {"correct_count": {"type": "integer"}, "total_answers": {"type": "integer"}},
    },
}


class ActivityEvent(models.Model):
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    event_type = models.CharField(max_length=50, choices=EventType.choices)
    content_type = models.ForeignKey(ContentType, null=True, on_delete=models.SET_NULL)
    object_id = models.PositiveIntegerField(null=True)
    content_object = GenericForeignKey("content_type", "object_id")
    timestamp = models.DateTimeField(default=timezone.now, db_index=True)
    session_id = models.UUIDField(null=True)
    metadata = JSONObjectField(null=True, by="event_type", schemas=METADATA)

    class Meta:
        indexes = [
            models.Index(fields=["user", "event_type"], name="event_user_type"),
            models.Index(fields=["content_type", "object_id", "event_type"], name="event_content_type"),
        ]


class UserAbilityProfile(models.Model):
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    overall_ability_score = models.FloatField(default=400)
    ability_by_subject = JSONObjectField(default=dict)
    total_quizzes_attempted = models.IntegerField(default=0)
    total_correct_answers = models.IntegerField(default=0)
    recent_performance_trend = models.FloatField(null=True)
    global_rank = models.IntegerField(null=True)
    percentile = models.FloatField(null=True)
    last_computed_at = models.DateTimeField(null=True)


class ContentDifficultyProfile(models.Model):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    computed_difficulty_score = models.FloatField()
    avg_time_spent_seconds = models.FloatField(null=True)
    success_rate = models.FloatField()
    attempt_count = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["content_type", "object_id"], name="one_profile_a_content")]


class MatchScore(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    match_score = models.FloatField()
    difficulty_gap = models.FloatField()
    zpd_score = models.FloatField()
    preference_alignment_score = models.FloatField()
    recency_penalty = models.FloatField()
    metadata = JSONObjectField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "content_type", "object_id"], name="one_score_a_user_and_content")
        ]
