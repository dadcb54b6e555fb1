"""Ask the demo's own processes whether they answer: loopback only, short patience, no proxy."""

from __future__ import annotations

from typing import Any

import requests

PATIENCE_S = 1.0


def is_up(url: str) -> bool:
    """Tell whether a page answers with 200."""
    return _get(url) is not None


def document(url: str) -> dict[str, Any] | None:
    """Fetch a JSON object; None while nothing usable answers."""
    answer = _get(url)
    if answer is None:
        return None
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _get(url: str) -> requests.Response | None:
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, timeout=PATIENCE_S, allow_redirects=False)
        except requests.RequestException:
            return None
    return answer if answer.status_code == 200 else None
