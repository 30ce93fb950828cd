"""What the page of a rule says that it leaves alone, it leaves alone."""

import pytest

from tests.lint.linting import lint

DJANGO = """\
from django.db import models

class Event(models.Model):
    title = models.CharField(max_length=100)
    notes = models.TextField()
    metadata = models.JSONField(null=True)
    count = models.IntegerField()

    def save(self, *args, **kwargs):
        if not isinstance(self.metadata, dict):
            raise ValueError("metadata must be an object")
        super().save(*args, **kwargs)
"""
FUNCTION = "def act(event: Event, rows, connection, log):\n    "
CASES = [
    ("double-encoded-json", DJANGO + "import json\n" + FUNCTION + "event.notes = json.dumps(rows)\n"),
    ("double-encoded-json", DJANGO + "import json\n" + FUNCTION + "log.write(json.dumps(rows))\n"),
    ("double-encoded-json", DJANGO + "import json\n" + FUNCTION + "event.metadata = {'raw': json.dumps(rows)}\n"),
    (
        "json-aggregate-without-output-field",
        DJANGO + "from django.db.models import Count\n" + FUNCTION + "Event.objects.aggregate(Count('metadata__k'))\n",
    ),
    (
        "json-aggregate-without-output-field",
        DJANGO + "from django.db.models import Avg\n" + FUNCTION + "Event.objects.aggregate(Avg('count'))\n",
    ),
    ("placeholder", "from typing import Protocol\n\nclass A(Protocol):\n    def f(self): ...\n"),
    ("placeholder", "from typing import overload\n\n@overload\ndef f(a: int): ...\n"),
    ("placeholder", "class Hook:\n    def before(self):\n        '''Does nothing; a subclass may.'''\n"),
    (
        "placeholder",
        "class Fixed:\n    def add(self):\n        raise NotImplementedError('not supported')\n",
    ),
    (
        "placeholder",
        "class A:\n    def f(self):\n        raise NotImplementedError\n\nclass B(A):\n    def f(self): return 1\n",
    ),
    ("shared-mutable-default", "def f(seen=[]):\n    return len(seen)\n"),
    ("swallowed-exception", "def f():\n    try:\n        g()\n    except Exception:\n        raise Failed\n"),
    ("swallowed-exception", "def f():\n    try:\n        g()\n    except Exception as error:\n        return error\n"),
    ("swallowed-exception", "def f():\n    try:\n        g()\n    except KeyError:\n        return None\n"),
    ("swallowed-exception", "try:\n    import fast\nexcept Exception:\n    fast = None\n"),
    ("swallowed-exception", "def f(file):\n    try:\n        file.close()\n    except Exception:\n        pass\n"),
    (
        "swallowed-exception",
        "async def f(job):\n    try:\n        await job.aclose()\n    except Exception:\n        pass\n",
    ),
    (
        "swallowed-exception",
        "class A:\n    def __del__(self):\n        try:\n            g()\n        except:\n            pass\n",
    ),
    (
        "temporary-path-stored",
        DJANGO
        + "import tempfile\n"
        + FUNCTION
        + "path = tempfile.mkdtemp()\n    log.write(path)\n    event.title = 'x'\n",
    ),
    (
        "temporary-path-stored",
        DJANGO + "import shutil, tempfile\n" + FUNCTION + "path = tempfile.mkdtemp()\n"
        "    kept = '/srv/archive'\n    shutil.move(path, kept)\n    event.title = kept\n",
    ),
    ("validation-bypassed", DJANGO + FUNCTION + "Event.objects.update(title='x')\n"),
    (
        "validation-bypassed",
        DJANGO + FUNCTION + "[row.full_clean() for row in rows]\n    Event.objects.bulk_create(rows)\n",
    ),
]
#: Beside each of those, what is found in nearly the same code.
FOUND = [
    ("swallowed-exception", "def f(file):\n    try:\n        file.write(1)\n    except Exception:\n        pass\n"),
    (
        "swallowed-exception",
        "def f(file):\n    try:\n        file.close()\n    except Exception:\n        return None\n",
    ),
    ("shared-mutable-default", "def f(seen=[]):\n    seen.append(1)\n"),
    ("double-encoded-json", DJANGO + "import json\n" + FUNCTION + "event.metadata = json.dumps(rows)\n"),
    ("validation-bypassed", DJANGO + FUNCTION + "Event.objects.update(metadata=1)\n"),
    ("temporary-path-stored", DJANGO + "import tempfile\n" + FUNCTION + "event.title = tempfile.mkdtemp()\n"),
    ("placeholder", "class A:\n    def f(self):\n        raise NotImplementedError\n\nA().f()\n"),
]


@pytest.mark.parametrize(("rule", "text"), CASES)
def test_what_is_left_alone(rule: str, text: str) -> None:
    assert lint(text, rule) == []


@pytest.mark.parametrize(("rule", "text"), FOUND)
def test_what_is_found(rule: str, text: str) -> None:
    assert [finding.check for finding in lint(text, rule)] == [rule]
