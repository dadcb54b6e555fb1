"""WooCommerce: the adapter, and the WordPress plugin that shops install."""
