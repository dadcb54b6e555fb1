<?php
/**
 * Plugin Name:          Paywharf - USDT payments for WooCommerce
 * Description:          Take USDT on TRON (TRC20) through your own Paywharf hub: your keys, your address, no fee.
 * Version:              0.1.0
 * Requires at least:    6.5
 * Requires PHP:         7.4
 * Requires Plugins:     woocommerce
 * WC requires at least: 9.4
 * WC tested up to:      11.0
 * Author:               Paywharf
 * License:              GPL-2.0-or-later
 * License URI:          https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:          paywharf
 * Domain Path:          /languages
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

define( 'PAYWHARF_VERSION', '0.1.0' );
define( 'PAYWHARF_FILE', __FILE__ );

require_once __DIR__ . '/client/class-paywharf-client.php';
foreach ( array( 'rules', 'settings', 'hub', 'words', 'lock', 'orders', 'webhook', 'pages', 'reconcile', 'refund-paid', 'refunds', 'admin', 'connect', 'doctor', 'form' ) as $paywharf_part ) {
	require_once __DIR__ . '/includes/class-paywharf-' . $paywharf_part . '.php';
}
unset( $paywharf_part );

add_action( 'plugins_loaded', 'paywharf_start', 11 );
add_action( 'before_woocommerce_init', 'paywharf_declare_compatibility' );
add_action( 'woocommerce_blocks_loaded', 'paywharf_add_to_blocks' );
register_deactivation_hook( __FILE__, array( 'Paywharf_Reconcile', 'unschedule' ) );

/**
 * Start, where there is a WooCommerce.
 */
function paywharf_start(): void {
	if ( ! class_exists( 'WC_Payment_Gateway' ) ) {
		return;
	}
	require_once __DIR__ . '/includes/class-paywharf-gateway.php';
	add_action( 'init', 'paywharf_load_texts' );
	add_filter( 'woocommerce_payment_gateways', 'paywharf_add_gateway' );
	add_filter( 'woocommerce_currencies', 'paywharf_add_currency' );
	add_filter( 'woocommerce_currency_symbol', 'paywharf_currency_symbol', 10, 2 );
	add_filter( 'option_woocommerce_currency_pos', 'paywharf_currency_position' );
	add_filter( 'woocommerce_cancel_unpaid_order', array( 'Paywharf_Orders', 'may_cancel_unpaid' ), 20, 2 );
	add_action( 'woocommerce_update_order', array( 'Paywharf_Orders', 'when_saved' ), 20, 2 );
	Paywharf_Webhook::register();
	Paywharf_Pages::register();
	Paywharf_Reconcile::register();
	Paywharf_Refunds::register();
	if ( is_admin() ) {
		Paywharf_Admin::register();
		Paywharf_Connect::register();
		Paywharf_Doctor::register();
	}
}

/**
 * Load translations that come with the plugin; not earlier, or WordPress warns.
 */
function paywharf_load_texts(): void {
	load_plugin_textdomain( 'paywharf', false, dirname( plugin_basename( __FILE__ ) ) . '/languages' ); // phpcs:ignore PluginCheck.CodeAnalysis.DiscouragedFunctions.load_plugin_textdomainFound -- also served outside wordpress.org.
}

/**
 * Add the gateway.
 *
 * @param array $gateways Class names.
 */
function paywharf_add_gateway( $gateways ): array {
	$gateways[] = 'Paywharf_Gateway';
	return $gateways;
}

/**
 * Let a shop price its goods in USDT.
 *
 * @param array $currencies Names by code.
 */
function paywharf_add_currency( $currencies ): array {
	return $currencies + array( 'USDT' => __( 'Tether USD', 'paywharf' ) );
}

/**
 * Give USDT a symbol.
 *
 * @param string $symbol   Symbol.
 * @param string $currency Code.
 */
function paywharf_currency_symbol( $symbol, $currency ) {
	return 'USDT' === $currency ? 'USDT' : $symbol;
}

/**
 * Keep USDT apart from the amount it stands beside: it is a word, no sign. The blocks read this setting, not a format.
 *
 * @param string $position WooCommerce's setting.
 */
function paywharf_currency_position( $position ) {
	return 'USDT' === get_option( 'woocommerce_currency' ) && in_array( $position, array( 'left', 'right' ), true ) ? $position . '_space' : $position;
}

/**
 * Tell WooCommerce that the plugin works with its order tables and its block checkout.
 */
function paywharf_declare_compatibility(): void {
	if ( class_exists( '\Automattic\WooCommerce\Utilities\FeaturesUtil' ) ) {
		\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( 'custom_order_tables', __FILE__, true );
		\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( 'cart_checkout_blocks', __FILE__, true );
	}
}

/**
 * Add the method to the Checkout block.
 */
function paywharf_add_to_blocks(): void {
	if ( ! class_exists( '\Automattic\WooCommerce\Blocks\Payments\Integrations\AbstractPaymentMethodType' ) ) {
		return;
	}
	add_action(
		'woocommerce_blocks_payment_method_type_registration',
		static function ( $registry ) {
			require_once __DIR__ . '/includes/class-paywharf-blocks.php';
			$registry->register( new Paywharf_Blocks() );
		}
	);
}
