<?php
/**
 * Activate the shop, install the plugin from its zip through WordPress' own upgrader, and put one product on the shelf.
 *
 * @package PaywharfTests
 */

$_SERVER += array( 'HTTP_HOST' => getenv( 'SITE_HOST' ), 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/' );
require getenv( 'SITE_DIR' ) . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
wp_set_current_user( 1 );

function must( $what, $done ) {
	if ( is_wp_error( $done ) || false === $done ) {
		fwrite( STDERR, "$what: " . ( is_wp_error( $done ) ? $done->get_error_message() : 'failed' ) . "\n" );
		exit( 1 );
	}
}

$step = $argv[1];
if ( 'shop' === $step ) {
	must( 'WooCommerce', activate_plugin( 'woocommerce/woocommerce.php' ) ?? true );
}
if ( 'plugin' === $step ) {
	$upgrader = new Plugin_Upgrader( new Automatic_Upgrader_Skin() );
	must( 'install', $upgrader->install( $argv[2] ) );
	must( 'activate', activate_plugin( $upgrader->plugin_info() ) ?? true );
	echo $upgrader->plugin_info();
}
if ( 'shelf' === $step ) {
	if ( class_exists( 'WC_Product_Simple' ) ) {
		require __DIR__ . '/shelf.php';
	} else {
		$id = wp_insert_post( array( 'post_type' => 'product', 'post_status' => 'publish', 'post_title' => 'Deckhand mug' ) );
		update_post_meta( $id, '_price', '12.50' );
		update_post_meta( $id, '_stock', 1000 );
		update_option( 'bench_product', $id );
	}
	flush_rewrite_rules();
}
