<?php
/**
 * Plugin Name: WooCommerce stand-in of Paywharf's tests
 * Description: The calls that the Paywharf plugin makes, written from WooCommerce's documented behaviour. No shop.
 * Version:     0.0.0
 *
 * Trusted only for calls that the same contract tests have covered on a real WooCommerce (make test-woocommerce).
 *
 * @package PaywharfTests
 */

defined( 'ABSPATH' ) || exit;
define( 'WC_VERSION', '0.0.0' );

require __DIR__ . '/features.php';
require __DIR__ . '/orders.php';
require __DIR__ . '/gateway.php';
require __DIR__ . '/functions.php';

add_action(
	'plugins_loaded',
	static function () {
		do_action( 'before_woocommerce_init' );
		do_action( 'woocommerce_blocks_loaded' );
	},
	20
);
add_action(
	'init',
	static function () {
		foreach ( array_keys( wc_get_order_statuses() ) as $status ) {
			register_post_status( $status, array( 'public' => false, 'exclude_from_search' => false ) );
		}
		register_post_type( 'shop_order', array( 'public' => false ) );
		register_post_type( 'shop_order_refund', array( 'public' => false ) );
		register_post_type( 'product', array( 'public' => false ) );
	}
);
add_action(
	'template_redirect', // WooCommerce answers ?wc-api=name on parse_request; an unknown name is a 400.
	static function () {
		if ( empty( $_GET['wc-api'] ) ) {
			return;
		}
		$name = strtolower( sanitize_key( $_GET['wc-api'] ) );
		nocache_headers();
		status_header( has_action( 'woocommerce_api_' . $name ) ? 200 : 400 );
		do_action( 'woocommerce_api_' . $name );
		die( '-1' );
	},
	0
);
