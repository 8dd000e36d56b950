"""Every setting, in one file. Each `KEYSTONE_*` variable is explained in docs/operations.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.templatetags.static import static
from psycopg.conninfo import conninfo_to_dict

from keystone import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("KEYSTONE_VAR_DIR") or BASE_DIR / "var")


def env(name: str, default: str = "") -> str:
    """Read a variable; NAME_FILE names a file that holds it (container secrets)."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name, default)


def env_bool(name: str, *, default: bool = False) -> bool:
    """Read a yes/no variable; anything else stops the start."""
    value = env(name).lower()
    if value not in {"", "1", "0", "true", "false", "yes", "no"}:
        raise ValueError(f"{name} must be 1 or 0, not {value!r}")
    return value in {"1", "true", "yes"} if value else default


def env_int(name: str, default: int) -> int:
    """Read a whole number; anything else stops the start."""
    value = env(name)
    try:
        return int(value) if value else default
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None


def database(url: str) -> dict[str, Any]:
    """Turn a PostgreSQL URL (libpq's own grammar) into Django's setting."""
    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "keystone"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        # Request threads connect when they must and let go: thirty-two threads would otherwise
        # hold thirty-two backends. The flusher and the key ring keep their own, outside requests.
        "CONN_MAX_AGE": env_int("KEYSTONE_DB_CONN_MAX_AGE", 0),
        "OPTIONS": {"connect_timeout": 2, "prepare_threshold": 2, **parts},
        "TEST": {"NAME": "test_keystone"},
    }


# --- who we are -----------------------------------------------------------------------------
DEBUG = env_bool("KEYSTONE_DEBUG")
SECRET_KEY = env("KEYSTONE_SECRET_KEY") or embedded.secret_key(VAR_DIR)
KEYSTONE_URL = env("KEYSTONE_URL", "http://127.0.0.1:8000").rstrip("/")
_url = urlsplit(KEYSTONE_URL)
_https = _url.scheme == "https"
ALLOWED_HOSTS = [
    *filter(None, env("KEYSTONE_ALLOWED_HOSTS").split(",")),
    _url.hostname or "localhost",
    *([] if _https else ["localhost", "127.0.0.1", "[::1]"]),
]

# --- parts ----------------------------------------------------------------------------------
DATABASES = {"default": database(env("DATABASE_URL") or embedded.database_url(VAR_DIR))}
REDIS_URL = env("REDIS_URL") or embedded.redis_url(VAR_DIR)

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    # Else what a killed worker held is only swept every 100 s.
    "unacked_restore_throttle": 1,
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False  # ringing the bell must not hold a request
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_TIMEZONE = "UTC"

# --- Django ---------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "corsheaders",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "keystone",
    "identity",
    "orders",
    "ingest",
    "keystone.people",
]
MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",
    # The doors end here: what follows serves people with browsers and sessions.
    "keystone.doors.DoorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "keystone.urls"
WSGI_APPLICATION = "keystone.wsgi.application"
APPEND_SLASH = False  # a redirect would lose a door's body
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- safety: all of it follows from an https KEYSTONE_URL -------------------------------------
SECURE_SSL_REDIRECT = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "keystone_session", "keystone_csrf"
CSRF_TRUSTED_ORIGINS = [KEYSTONE_URL]
X_FRAME_OPTIONS = "DENY"
if env_bool("KEYSTONE_BEHIND_PROXY"):  # only then may a header say that the client spoke https
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        # The admin theme runs Alpine expressions, which need eval.
        "script-src": ["'self'", "'unsafe-eval'", "'unsafe-inline'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]

# --- doors ----------------------------------------------------------------------------------
# Trust is decided per key and refused with CORS headers, so that a browser can read the refusal.
CORS_ALLOW_ALL_ORIGINS = True
CORS_URLS_REGEX = r"^/(api/)?ingest$"
CORS_ALLOW_METHODS = ["POST", "OPTIONS"]
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "x-api-key",
]
CORS_EXPOSE_HEADERS = ["Retry-After", "X-Suspension-Reason"]
CORS_PREFLIGHT_MAX_AGE = 86_400

# Threads that wait for a flush; one more flushes. `up` starts granian with the same number.
KEYSTONE_WEB_WORKERS = env_int("KEYSTONE_WEB_WORKERS", 2)
KEYSTONE_WEB_THREADS = env_int("KEYSTONE_WEB_THREADS", 32)
# Each web worker on a processor of its own (`keystone.scheduling`); `up` says yes.
KEYSTONE_PIN_WORKERS = env_bool("KEYSTONE_PIN_WORKERS")
KEYSTONE_FLUSH_RECORDS = env_int("KEYSTONE_FLUSH_RECORDS", 1_000)
KEYSTONE_QUEUE_RECORDS = env_int("KEYSTONE_QUEUE_RECORDS", 20_000)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["keystone.keys.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["keystone.keys.authentication.MayView"],
    "DEFAULT_RENDERER_CLASSES": ["keystone.api.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "keystone.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Keystone",
    "DESCRIPTION": "Reading back what Keystone knows.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env("KEYSTONE_LOG_LEVEL", "INFO")},
    "loggers": {
        # Each 4xx of a door is an answer, not news.
        "django.request": {"level": "ERROR"},
    },
}

UNFOLD = {
    "SITE_TITLE": "Keystone",
    "SITE_HEADER": "Keystone",
    "SITE_SYMBOL": "key",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("keystone/icon.svg"),
        }
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": False, "navigation": "keystone.staff.navigation.groups"},
}
