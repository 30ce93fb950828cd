"""The pages in Django's admin, in a real browser: who may see them, what they say, light and dark, narrow and wide."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import contrast

ROOT = Path(__file__).parent.parent
SETTINGS = """
from pathlib import Path
HERE = Path(__file__).parent
SECRET_KEY, DEBUG, ALLOWED_HOSTS, USE_TZ = "only a test", True, ["127.0.0.1"], True
STATIC_URL, ROOT_URLCONF, DEFAULT_AUTO_FIELD = "static/", "urls", "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib." + name for name in
    ("contenttypes", "auth", "sessions", "messages", "staticfiles", "admin")] + ["trueup.django"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(HERE / "app.db")}}
TRUEUP_CONFIG, TRUEUP_ENVIRONMENT = str(HERE / "trueup.yaml"), "production"
"""
URLS = """
from django.contrib import admin
from django.urls import path
urlpatterns = [path("admin/", admin.site.urls)]
"""
# SERVER_NAME tells the port that the system chose; the end of the pipe ends the server
SERVE = """
import os, sys, threading
import django
django.setup()
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
call_command("migrate", verbosity=0)
User.objects.create_superuser("ann", password="ann")
User.objects.create_user("bob", password="bob", is_staff=True)
cleo = User.objects.create_user("cleo", password="cleo", is_staff=True)
cleo.user_permissions.add(Permission.objects.get(codename="view_health"))
server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(StaticFilesHandler(WSGIHandler()))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(server.server_port, flush=True)
server.serve_forever()
"""
CONFIG = {
    "environment": "production",
    "stores": {"app": "${DATABASE_URL}"},
    "checks": [
        {"kind": "wrong-json-type", "name": "metadata/object", "table": "events", "column": "metadata",
         "expected": "object", "repair": ["decode", "nullify"]},
        {"kind": "missing", "name": "events-have-a-name", "table": "events", "column": "name"},
        {"kind": "missing", "name": "gone", "table": "no_such_table", "column": "name"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose database holds 3 broken values; one was mended by a run, and the row was changed since."""
    made = tmp_path_factory.mktemp("project")
    (made / "settings.py").write_text(SETTINGS)
    (made / "urls.py").write_text(URLS)
    (made / "trueup.yaml").write_text(json.dumps({**CONFIG, "environment": "development"}))
    with sqlite3.connect(made / "app.db") as connection:
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, metadata TEXT)")
        rows = [(n, f"<b>{n}</b>", '"{}"' if n == 7 else "{}") for n in range(1, 1301)]
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
    connection.close()
    for words in (["plan", "-o", "plan.jsonl", "--because", "<i>told</i>", "--check", "metadata/object"],
                  ["apply", "plan.jsonl", "--yes"]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "trueup", *words],
            cwd=made, env=surroundings(made), capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stdout + done.stderr
    with sqlite3.connect(made / "app.db") as connection:
        connection.execute("UPDATE events SET metadata = '42' WHERE id IN (1, 2, 3)")
    connection.close()
    (made / "trueup.yaml").write_text(json.dumps(CONFIG))
    return made


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of the project's commands and of its server."""
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'app.db'}",
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "src")]),
    }


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The project, served."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=folder, env=surroundings(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        assert server.stdout
        assert server.stdin
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/admin/"
        server.stdin.close()


def entered(
    browser: Browser, address: str, name: str, scheme: Literal["light", "dark"] = "light", width: int = 1280
) -> Page:
    """A page of somebody who logged in."""
    page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()
    page.goto(address)
    page.fill("#id_username", name)
    page.fill("#id_password", name)
    followed(page, "[type=submit]")
    return page


def followed(page: Page, selector: str) -> None:
    """Click on what leads to another page, and be there."""
    with page.expect_navigation():
        page.click(selector)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_can_be_read(
    browser: Browser, address: str, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    page = entered(browser, address, "cleo", scheme, width)
    followed(page, "text=Data health")
    assert "3 checks of the environment production" in page.inner_text("#content")
    followed(page, "text=Scan now")
    shown = " ".join(page.inner_text("#content").split())
    assert "metadata/object 3 1,300 B: few rows: clean up, low risk" in shown
    assert "events-have-a-name 0 1,300" in shown
    assert "gone not checked: " in shown
    assert "applied" in shown
    for selector in ("body", ".trueup td", ".help"):
        assert contrast(page, selector) >= 4.5, f"{selector} is hard to read in {scheme}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it is wider than the window"
    page.screenshot(path=str(tmp_path / "health.png"), full_page=True)
    followed(page, "text=metadata/object")
    assert page.title() == "metadata/object explained"
    page.goto(f"{address}trueup/health/")
    followed(page, ".trueup tbody th a")
    shown = " ".join(page.inner_text("#content").split())
    assert "applied, 1 planned: 1 applied" in shown
    assert "Because <i>told</i>" in shown
    assert "metadata/object events metadata decode lossless" in shown
    assert "Checklist" in shown
    assert page.locator("#content b, #content i").count() == 0, "a value became markup"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it is wider than the window"
    page.screenshot(path=str(tmp_path / "run.png"), full_page=True)
    page.context.close()


def test_only_those_who_may_view_them_see_the_pages(browser: Browser, address: str) -> None:
    page = entered(browser, address, "bob")
    assert page.locator("text=Data health").count() == 0
    answer = page.goto(f"{address}trueup/health/")
    assert answer
    assert answer.status == 403
    page.context.close()


def test_what_is_not_there_is_not_found(browser: Browser, address: str) -> None:
    page = entered(browser, address, "ann")
    for place in ("run/nothing/", "explain/nothing/"):
        answer = page.goto(f"{address}trueup/health/{place}")
        assert answer
        assert answer.status == 404
    page.context.close()


def test_a_configuration_that_cannot_be_read_is_said_on_the_page(browser: Browser, address: str, folder: Path) -> None:
    page = entered(browser, address, "ann")
    kept = (folder / "trueup.yaml").read_text()
    (folder / "trueup.yaml").write_text("checks: [\n")
    try:
        page.goto(f"{address}trueup/health/")
        assert "trueup.yaml:" in page.inner_text(".errornote")
    finally:
        (folder / "trueup.yaml").write_text(kept)
    page.context.close()
