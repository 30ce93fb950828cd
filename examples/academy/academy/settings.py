"""Settings: the database comes from DATABASE_URL, a file beside this project when it is not set."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
DATABASE_URL = os.environ.get("DATABASE_URL", f"sqlite:///{BASE_DIR}/academy.db")
_parts = urlsplit(DATABASE_URL)

if _parts.scheme in ("mysql", "mariadb"):
    import pymysql

    pymysql.install_as_MySQLdb()

SECRET_KEY = "only an example"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "trueup.django", "analytics"]
# the application's own sessions read what trueup's do: JSON text in utf8mb4
_OPTIONS = {"charset": "utf8mb4"} if _parts.scheme in ("mysql", "mariadb") else {}
_ENGINES = {"sqlite": "sqlite3", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{_ENGINES[_parts.scheme.partition('+')[0]]}",
        "NAME": unquote(_parts.path[1:] if _parts.scheme != "sqlite" else DATABASE_URL.removeprefix("sqlite:///")),
        "USER": unquote(_parts.username or ""),
        "PASSWORD": unquote(_parts.password or ""),
        "HOST": _parts.hostname or "",
        "PORT": str(_parts.port or ""),
        "OPTIONS": _OPTIONS,
    }
}
