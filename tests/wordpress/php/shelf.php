<?php
/**
 * Fill a real WooCommerce's shelf, and make its pages for both checkouts.
 *
 * @package PaywharfTests
 */

$product = new WC_Product_Simple();
$product->set_name( 'Deckhand mug' );
$product->set_regular_price( '12.50' );
$product->set_virtual( true );
$product->set_manage_stock( true );
$product->set_stock_quantity( 1000 );
$product->set_status( 'publish' );
$product->save();
update_option( 'bench_product', $product->get_id() );
$tote = new WC_Product_Simple(); // Without stock: WooCommerce's reservation of stock needs MySQL's own SQL.
$tote->set_name( 'Quayside tote' );
$tote->set_regular_price( '7.60' );
$tote->set_virtual( true );
$tote->set_status( 'publish' );
$tote->save();
update_option( 'bench_tote', $tote->get_id() );
WC_Install::create_pages();
$page = wp_insert_post( array( 'post_type' => 'page', 'post_status' => 'publish', 'post_title' => 'Classic checkout', 'post_name' => 'classic-checkout', 'post_content' => '[woocommerce_checkout]' ) );
update_option( 'bench_classic_checkout', $page );
update_option( 'woocommerce_enable_guest_checkout', 'yes' );
update_option( 'woocommerce_default_country', 'DE' );
update_option( 'woocommerce_onboarding_profile', array( 'skipped' => true ) );
if ( 'yes' === getenv( 'SITE_HPOS' ) ) {
	update_option( 'woocommerce_feature_custom_order_tables_enabled', 'yes' );
	wc_get_container()->get( \Automattic\WooCommerce\Internal\DataStores\Orders\DataSynchronizer::class )->create_database_tables();
	update_option( 'woocommerce_custom_orders_table_enabled', 'yes' );
	update_option( 'woocommerce_custom_orders_table_data_sync_enabled', 'no' );
} else {
	update_option( 'woocommerce_custom_orders_table_enabled', 'no' );
}
