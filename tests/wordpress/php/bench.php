<?php
/**
 * The tests' hands inside WordPress: one call, one act, by WooCommerce's public functions alone, so that the same tests
 * run on the stand-in and on a real WooCommerce. Must-use plugin of the test site; never shipped.
 *
 * @package PaywharfTests
 */

defined( 'ABSPATH' ) || exit;

add_filter(
	'pre_wp_mail',
	static function ( $done, $mail ) {
		$line = wp_json_encode( array( 'to' => $mail['to'], 'subject' => $mail['subject'], 'message' => $mail['message'] ) );
		file_put_contents( WP_CONTENT_DIR . '/mails.jsonl', $line . "\n", FILE_APPEND | LOCK_EX );
		return true;
	},
	10,
	2
);
add_filter( // Which hosts the plugin asks, for whoever asks why.
	'pre_http_request',
	static function ( $answer, $given, $url ) {
		foreach ( debug_backtrace( DEBUG_BACKTRACE_IGNORE_ARGS ) as $frame ) {
			if ( false !== strpos( $frame['file'] ?? '', '/plugins/paywharf/' ) ) {
				file_put_contents( WP_CONTENT_DIR . '/asked.txt', wp_parse_url( $url, PHP_URL_HOST ) . "\n", FILE_APPEND | LOCK_EX );
				break;
			}
		}
		return $answer;
	},
	10,
	3
);
add_action( 'wp_loaded', 'bench_serve', 99 );

function bench_serve() {
	if ( ! isset( $_SERVER['HTTP_X_BENCH'] ) || ! hash_equals( BENCH_TOKEN, $_SERVER['HTTP_X_BENCH'] ) ) {
		return;
	}
	$call = json_decode( file_get_contents( 'php://input' ), true );
	wp_set_current_user( 1 );
	$answer = call_user_func( 'bench_' . $call['act'], $call['given'] );
	header( 'Content-Type: application/json' );
	echo wp_json_encode( array( 'value' => $answer ) );
	exit;
}

function bench_new_order( $given ) {
	$order = wc_create_order( array( 'created_via' => 'checkout' ) );
	$order->add_product( wc_get_product( (int) get_option( 'bench_product' ) ), $given['quantity'] ?? 1 );
	$order->set_created_via( 'checkout' );
	if ( isset( $given['currency'] ) ) {
		$order->set_currency( $given['currency'] );
	}
	$order->set_payment_method( WC()->payment_gateways()->payment_gateways()[ $given['method'] ?? 'paywharf' ] ?? ( $given['method'] ?? 'paywharf' ) );
	$order->calculate_totals();
	$order->save();
	return bench_order( array( 'id' => $order->get_id() ) );
}

function bench_pay( $given ) {
	$gateway = WC()->payment_gateways()->payment_gateways()['paywharf'];
	return $gateway->process_payment( $given['id'] );
}

function bench_order( $given ) {
	$order = wc_get_order( $given['id'] );
	$meta  = array();
	foreach ( array( 'payment_id', 'payment_url', 'state', 'amount', 'txid', 'sequence', 'held', 'price' ) as $name ) {
		$meta[ $name ] = (string) $order->get_meta( '_paywharf_' . $name );
	}
	$notes = array();
	$told  = array();
	foreach ( wc_get_order_notes( array( 'order_id' => $given['id'] ) ) as $note ) {
		$notes[] = $note->content;
		if ( $note->customer_note ) {
			$told[] = $note->content;
		}
	}
	return array(
		'id'     => $order->get_id(),
		'ref'    => class_exists( 'Paywharf_Orders' ) ? Paywharf_Orders::ref( $order ) : '',
		'key'    => $order->get_order_key(),
		'status' => $order->get_status(),
		'total'  => (string) $order->get_total(),
		'txid'   => $order->get_transaction_id(),
		'notes'  => $notes,
		'told'   => $told,
		'meta'   => $meta,
	);
}

function bench_change( $given ) {
	$order = wc_get_order( $given['id'] );
	if ( isset( $given['total'] ) ) {
		$order->set_total( $given['total'] );
	}
	if ( isset( $given['method'] ) ) {
		$order->set_payment_method( $given['method'] );
	}
	if ( isset( $given['status'] ) ) {
		$order->set_status( $given['status'] );
	}
	$order->save();
	return bench_order( $given );
}

function bench_option( $given ) {
	if ( array_key_exists( 'value', $given ) ) {
		update_option( $given['name'], $given['value'] );
	}
	return get_option( $given['name'], null );
}

function bench_settings( $given ) {
	Paywharf_Settings::set( $given );
	return (array) get_option( Paywharf_Settings::OPTION );
}

function bench_forget( $given ) {
	global $wpdb;
	delete_option( 'paywharf_troubles' );
	$wpdb->query( "DELETE FROM {$wpdb->options} WHERE option_name LIKE '_transient%paywharf%'" );
	return true;
}

function bench_plugin( $given ) {
	require_once ABSPATH . 'wp-admin/includes/plugin.php';
	if ( 'activate' === $given['do'] ) {
		$done = activate_plugin( 'paywharf/paywharf.php' );
		return is_wp_error( $done ) ? $done->get_error_message() : 'active';
	}
	deactivate_plugins( 'paywharf/paywharf.php' );
	if ( 'uninstall' === $given['do'] ) {
		uninstall_plugin( 'paywharf/paywharf.php' );
	}
	if ( 'delete' === $given['do'] ) {
		require_once ABSPATH . 'wp-admin/includes/admin.php';
		delete_plugins( array( 'paywharf/paywharf.php' ) );
	}
	return $given['do'];
}

function bench_options_like( $given ) {
	global $wpdb;
	return $wpdb->get_col( $wpdb->prepare( "SELECT option_name FROM {$wpdb->options} WHERE option_name LIKE %s", $given['like'] ) );
}

function bench_reconcile( $given ) {
	return Paywharf_Reconcile::run();
}

/** Make an order old, then run WooCommerce's own job. */
function bench_hold_stock( $given ) {
	global $wpdb;
	update_option( 'woocommerce_manage_stock', 'yes' );
	update_option( 'woocommerce_hold_stock_minutes', 60 );
	$old = gmdate( 'Y-m-d H:i:s', time() - 7200 );
	$wpdb->update( $wpdb->posts, array( 'post_modified' => $old, 'post_modified_gmt' => $old ), array( 'ID' => $given['id'] ) );
	clean_post_cache( $given['id'] );
	if ( get_option( 'woocommerce_custom_orders_table_enabled' ) === 'yes' ) {
		$wpdb->update( $wpdb->prefix . 'wc_orders', array( 'date_updated_gmt' => $old ), array( 'id' => $given['id'] ) );
	}
	wc_cancel_unpaid_orders();
	return bench_order( $given );
}

function bench_meta( $given ) {
	$order = wc_get_order( $given['id'] );
	$order->update_meta_data( $given['name'], $given['value'] );
	$order->save();
	return true;
}

function bench_stock( $given ) {
	return wc_get_product( (int) get_option( 'bench_product' ) )->get_stock_quantity();
}

function bench_thank_you( $given ) {
	ob_start();
	do_action( 'woocommerce_thankyou_paywharf', $given['id'] );
	return ob_get_clean();
}

function bench_notices( $given ) {
	ob_start();
	Paywharf_Admin::show_troubles();
	return ob_get_clean();
}

function bench_available( $given ) {
	return array_keys( WC()->payment_gateways()->get_available_payment_gateways() );
}

function bench_facts( $given ) {
	$gateway = WC()->payment_gateways()->payment_gateways()['paywharf'] ?? null;
	return array(
		'rest_url'  => rest_url( 'paywharf/v1/webhook' ),
		'gateway'   => null !== $gateway,
		'title'     => $gateway ? $gateway->get_title() : '',
		'compatible' => \Automattic\WooCommerce\Utilities\FeaturesUtil::get_compatible_features_for_plugin( 'paywharf/paywharf.php' )['compatible'],
		'scheduled' => as_has_scheduled_action( 'paywharf_reconcile', array(), 'paywharf' ),
		'versions'  => array( 'wordpress' => get_bloginfo( 'version' ), 'woocommerce' => WC_VERSION, 'php' => PHP_VERSION, 'hpos' => get_option( 'woocommerce_custom_orders_table_enabled' ) ),
	);
}

function bench_doctor( $given ) {
	return Paywharf_Doctor::findings();
}

/** Put the plugin back where an uninstall took it from. */
function bench_reinstall( $given ) {
	require_once ABSPATH . 'wp-admin/includes/plugin.php';
	return bench_plugin( array( 'do' => 'activate' ) );
}

function bench_received_url( $given ) {
	return wc_get_order( $given['id'] )->get_checkout_order_received_url();
}

function bench_edit_url( $given ) {
	return wc_get_order( $given['id'] )->get_edit_order_url();
}

/** Ask the hub for a link with the keys at hand, forget them, and connect by the link. */
function bench_connect( $given ) {
	$link = Paywharf_Hub::client( 'live' )->call( 'POST', '/api/v1/channels/codes', array( 'adapter' => 'woocommerce' ) )['link'];
	Paywharf_Settings::set( array_fill_keys( array( 'hub_url', 'test_key', 'test_secret', 'live_key', 'live_secret', 'webhook_secret' ), '' ) );
	$name = Paywharf_Connect::connect( $link );
	try {
		Paywharf_Connect::connect( $link );
		$again = 'connected';
	} catch ( Paywharf_Error $error ) {
		$again = $error->word();
	}
	return array( 'name' => $name, 'again' => $again, 'settings' => get_option( Paywharf_Settings::OPTION ) );
}

function bench_disconnect( $given ) {
	Paywharf_Connect::disconnect();
	return get_option( Paywharf_Settings::OPTION );
}

function bench_bad_link( $given ) {
	try {
		return Paywharf_Connect::connect( $given['link'] );
	} catch ( Paywharf_Error $error ) {
		return $error->word();
	}
}

function bench_refund( $given ) {
	return Paywharf_Refunds::make( wc_get_order( $given['id'] ) );
}

/** Press WooCommerce's own refund button: "via" the method, or "manually". */
function bench_refund_button( $given ) {
	$order   = wc_get_order( $given['id'] );
	$gateway = WC()->payment_gateways()->payment_gateways()['paywharf'];
	$offered = $gateway->can_refund_order( $order );
	$done    = wc_create_refund( array( 'order_id' => $given['id'], 'amount' => $given['amount'], 'reason' => 'broken', 'refund_payment' => $given['by_method'] ) );
	return array( 'offered' => $offered, 'said' => is_wp_error( $done ) ? $done->get_error_message() : 'refunded' );
}

/** Tell where the payment's number of an order is stored. */
function bench_stored( $given ) {
	global $wpdb;
	$with = static function ( $table, $column ) use ( $wpdb, $given ) {
		return (int) $wpdb->get_var( $wpdb->prepare( 'SELECT COUNT(*) FROM %i WHERE %i = %d AND meta_key = %s', $table, $column, $given['id'], '_paywharf_payment_id' ) );
	};
	return array( 'posts' => $with( $wpdb->postmeta, 'post_id' ), 'orders' => 'yes' === get_option( 'woocommerce_custom_orders_table_enabled' ) ? $with( $wpdb->prefix . 'wc_orders_meta', 'order_id' ) : 0 );
}

function bench_asked( $given ) {
	return array_values( array_unique( file( WP_CONTENT_DIR . '/asked.txt', FILE_IGNORE_NEW_LINES ) ) );
}

function bench_customer( $given ) {
	return wp_insert_user( array( 'user_login' => $given['name'], 'user_pass' => $given['name'] . '-password', 'user_email' => $given['name'] . '@shop.example', 'role' => 'customer' ) );
}

function bench_buyer( $given ) {
	return wc_get_order( $given['id'] )->get_customer_id();
}

/** Switch to a theme by name, or to one without blocks; gives the one before and the new one. */
function bench_theme( $given ) {
	$before  = get_stylesheet();
	$classic = array_keys( array_filter( wp_get_themes(), static function ( $theme ) {
		return ! $theme->is_block_theme();
	} ) );
	$name    = $given['name'] ?? ( in_array( 'storefront', $classic, true ) ? 'storefront' : $classic[0] );
	switch_theme( $name );
	return array( $before, $name );
}
