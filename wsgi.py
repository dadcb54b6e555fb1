"""The WSGI app: `gunicorn wsgi:app`. Settings come from the environment (`PAYWHARF_…`)."""

from core.app import create_app

app = create_app()
