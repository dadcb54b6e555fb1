<?php
/**
 * Leave nothing behind but what belongs to the orders; that goes too if the shop owner asked for it.
 *
 * @package Paywharf
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/**
 * Remove options, transients, locks and the scheduled job; and the orders' payment details if they shall go.
 */
function paywharf_remove(): void {
	global $wpdb;
	$settings = (array) get_option( 'woocommerce_paywharf_settings', array() );
	if ( function_exists( 'as_unschedule_all_actions' ) ) {
		as_unschedule_all_actions( 'paywharf_reconcile', array(), 'paywharf' );
	}
	$like = array( 'woocommerce_paywharf_settings', $wpdb->esc_like( 'paywharf_' ) . '%', $wpdb->esc_like( '_transient_paywharf_' ) . '%', $wpdb->esc_like( '_transient_timeout_paywharf_' ) . '%' );
	foreach ( $like as $pattern ) {
		$names = $wpdb->get_col( $wpdb->prepare( "SELECT option_name FROM {$wpdb->options} WHERE option_name LIKE %s", $pattern ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- the options API cannot list by prefix.
		array_map( 'delete_option', $names );
	}
	if ( 'yes' === ( $settings['remove_data'] ?? 'no' ) ) {
		paywharf_remove_order_details();
	}
}

/**
 * Remove the payment details from orders, in both of WooCommerce's stores.
 */
function paywharf_remove_order_details(): void {
	global $wpdb;
	$pattern = $wpdb->esc_like( '_paywharf_' ) . '%';
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->postmeta} WHERE meta_key LIKE %s", $pattern ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- every order at once, at removal only.
	if ( 'yes' === get_option( 'woocommerce_custom_orders_table_enabled' ) ) {
		$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->prefix}wc_orders_meta WHERE meta_key LIKE %s", $pattern ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- as above.
	}
}

paywharf_remove();
