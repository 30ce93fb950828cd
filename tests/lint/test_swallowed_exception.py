"""What a handler for everything does to a failure: drop it, make it empty, or tell somebody."""

import pytest

from tests.lint.linting import lint

TRY = "def work(session, path):\n    found = []\n    try:\n        found = load(path)\n    except Exception as error:\n"
FOUND = [
    "return found",
    "session.rollback()\nreturn None",
    "print('failed', error)\nsession.rollback()",
    "if verbose:\n    print(error)",
    "logger.error('failed: %s', error)\nreturn found",
    "self._log.warning(error)",
    "current_app.logger.error(error)\nreturn jsonify([])",
    "return JsonResponse({'rows': [], 'count': 0})",
    "logging.getLogger(__name__).info(error)",
    "found = None",
    "return -1",
    "logging.error(error)\ntime.sleep(1)",
]
LEFT_ALONE = [
    "messages.error(request, 'it failed')\nreturn None",
    "parser.error(str(error))",
    "st.error(error)",
    "failures.append(error)",
    "failed += 1\ncontinue",
    "logger.opt(exception=True).error('failed')",
    "logger.error('failed')\nlogger.error(traceback.format_exc())",
    "logger.warning('failed', exc_info=error)\nreturn []",
    "return {'status': 'failed'}",
    "return JsonResponse({}, status=500)",
    "return jsonify({'rows': []}), 500",
    "database_ok = False",
    "checks['is_up'] = False",
    "return found + [error]",
]
WHOLE = [
    "def is_up(url):\n    try:\n        ping(url)\n        return True\n    except Exception:\n        return False\n",
    "def health_check():\n    try:\n        ping()\n    except Exception:\n        return False\n",
    "try:\n    import fast\n    HAS_FAST = True\nexcept Exception:\n    HAS_FAST = False\n",
    "import contextlib\n\ndef stop(job):\n    with contextlib.suppress(Exception):\n        job.close()\n",
    "from contextlib import suppress\n\ndef read(row):\n    with suppress(KeyError):\n        return row['a']\n",
    (
        "def tidy(path):\n    try:\n        os.remove(path)\n        logger.info('removed %s', path)\n"
        "    except Exception as error:\n        logger.warning('not removed: %s', error)\n"
    ),
    "def stop(file):\n    try:\n        if file:\n            file.close()\n    except Exception:\n        pass\n",
]


def handler(body: str) -> str:
    return TRY + "".join(f"        {line}\n" for line in body.splitlines())


@pytest.mark.parametrize("body", FOUND)
def test_a_handler_that_hides_the_failure_is_found(body: str) -> None:
    (finding,) = lint(handler(body), "swallowed-exception")
    assert finding.message.startswith("every failure ")


@pytest.mark.parametrize("body", LEFT_ALONE)
def test_a_handler_that_tells_somebody_is_left_alone(body: str) -> None:
    assert lint(handler(body), "swallowed-exception") == []


@pytest.mark.parametrize("text", WHOLE)
def test_where_a_failure_is_the_answer_it_is_left_alone(text: str) -> None:
    assert lint(text, "swallowed-exception") == []


@pytest.mark.parametrize("name", ["send_mail", "sync_orders", "save_file"])
def test_false_of_a_function_that_does_something_is_no_answer(name: str) -> None:
    text = f"def {name}():\n    try:\n        act()\n        return True\n    except Exception:\n        return False\n"
    assert lint(text, "swallowed-exception")


def test_suppress_of_everything_is_found() -> None:
    text = "from contextlib import suppress\n\ndef act(row):\n    with suppress(Exception):\n        row.update()\n"
    (finding,) = lint(text, "swallowed-exception")
    assert finding.message == "every failure is dropped without a trace"


def test_a_test_may_let_a_failure_be_and_a_migration_may_not() -> None:
    text = handler("pass")
    assert lint({"shop/tests/test_orders.py": text}, "swallowed-exception") == []
    assert lint({"shop/migrations/0002_fill.py": text}, "swallowed-exception")


def test_waiting_for_a_task_that_was_told_to_end_is_left_alone() -> None:
    head = "import asyncio\nfrom contextlib import suppress\n\nasync def stop(task):\n    task.cancel()\n"
    assert (
        lint(
            head + "    with suppress(asyncio.CancelledError, Exception):\n        await task\n", "swallowed-exception"
        )
        == []
    )
    assert lint(head + "    with suppress(Exception):\n        await task\n", "swallowed-exception")


def test_success_that_is_only_said_where_there_is_no_failure_is_left_alone() -> None:
    text = (
        "from contextlib import suppress\n\ndef probe():\n    with suppress(Exception):\n        ping()\n        {}\n"
    )
    assert lint(text.format("connected = True"), "swallowed-exception") == []
    assert lint(text.format("count = 1"), "swallowed-exception")
