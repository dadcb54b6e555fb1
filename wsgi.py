"""The WSGI app: `gunicorn wsgi:app`. Settings come from the environment (`PAYWHARF_…`)."""

from core.app import create_app, share_figures
from core.web import the_hub_of

app = create_app()
share_figures(the_hub_of(app))
