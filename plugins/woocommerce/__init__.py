"""WooCommerce: the adapter, and the WordPress plugin that shops install."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract import Adapter, hookimpl
from plugins.woocommerce.adapter import WooCommerce


@hookimpl
def register_adapters() -> Sequence[type[Adapter]]:
    """Bring the adapter."""
    return [WooCommerce]
