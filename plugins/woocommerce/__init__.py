"""WooCommerce: the adapter, and the WordPress plugin that shops install."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract import Adapter, hookimpl
from plugins.woocommerce.adapter import WooCommerce
from plugins.woocommerce.rest import WooCommerceRest


@hookimpl
def register_adapters() -> Sequence[type[Adapter]]:
    """Bring both ways to a shop: with the plugin, and without."""
    return [WooCommerce, WooCommerceRest]
