"""Draw the QR code of an address here, on the server: no third party learns of it, and no script can change it."""

from __future__ import annotations

from functools import lru_cache

import segno
from markupsafe import Markup

KEPT = 512  # drawing takes 5 ms, and a shop's buyers share few addresses


@lru_cache(maxsize=KEPT)
def qr_svg(text: str) -> Markup:
    """Draw text as inline SVG in black modules without margin; the page puts a white frame around it.

    A bare address, which every wallet reads: TRON has no payment link that they agree on.
    """
    drawn = segno.make_qr(text, error="m").svg_inline(border=0, omitsize=True, svgclass="qr-code", lineclass=None)
    return Markup(drawn)  # segno writes numbers only, never the text
