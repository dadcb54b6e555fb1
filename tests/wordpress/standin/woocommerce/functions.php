<?php
/**
 * WooCommerce's functions, as far as the plugin and the bench call them.
 *
 * @package PaywharfTests
 */

/** WC()->payment_gateways() is the list, and has a method of the same name. */
final class WC_Payment_Gateways {
	private static $all = null;

	public function payment_gateways() {
		if ( null === self::$all ) {
			self::$all = array();
			foreach ( apply_filters( 'woocommerce_payment_gateways', array() ) as $name ) {
				$one                   = new $name();
				self::$all[ $one->id ] = $one;
			}
		}
		return self::$all;
	}
	public function get_available_payment_gateways() {
		return array_filter( $this->payment_gateways(), static function ( $one ) {
			return $one->is_available();
		} );
	}
}

final class WC_Data_Store {
	public static function load( $kind ) {
		return new self();
	}
	public function has_callable( $name ) {
		return false;
	}
}

final class WooCommerce {
	public function payment_gateways() {
		return new WC_Payment_Gateways();
	}
}

function WC() {
	return new WooCommerce();
}
function get_woocommerce_currency() {
	return apply_filters( 'woocommerce_currency', get_option( 'woocommerce_currency', 'USD' ) );
}
function get_woocommerce_currencies() {
	return apply_filters( 'woocommerce_currencies', array( 'USD' => 'US dollar', 'EUR' => 'Euro' ) );
}
function wc_get_price_decimals() {
	return absint( get_option( 'woocommerce_price_num_decimals', 2 ) );
}
function wc_format_decimal( $number, $places = false ) {
	return false === $places ? (string) $number : number_format( (float) $number, (int) $places, '.', '' );
}
function wc_get_order_statuses() {
	return array( 'wc-pending' => 'Pending payment', 'wc-processing' => 'Processing', 'wc-on-hold' => 'On hold', 'wc-completed' => 'Completed', 'wc-cancelled' => 'Cancelled', 'wc-refunded' => 'Refunded', 'wc-failed' => 'Failed' );
}
function wc_get_order( $id = false ) {
	$id = $id instanceof WP_Post ? $id->ID : $id;
	if ( $id && ! is_object( $id ) && 'shop_order_refund' === get_post_type( $id ) ) {
		return new WC_Order_Refund( (int) $id );
	}
	return $id instanceof WC_Order ? $id : ( $id && 'shop_order' === get_post_type( $id ) ? new WC_Order( (int) $id ) : false );
}
function wc_get_orders( $query ) {
	$after = (int) substr( $query['date_created'] ?? '>0', 1 );
	$ids   = get_posts(
		array(
			'post_type'   => 'shop_order',
			'numberposts' => $query['limit'] ?? 10,
			'fields'      => 'ids',
			'post_status' => array_map( static function ( $status ) {
				return 'wc-' . $status;
			}, (array) $query['status'] ),
			'meta_query'  => array( array( 'key' => '_payment_method', 'value' => $query['payment_method'] ) ),
			'date_query'  => array( array( 'after' => gmdate( 'Y-m-d H:i:s', $after ), 'column' => 'post_date_gmt' ) ),
		)
	);
	return array_map( 'wc_get_order', $ids );
}
function wc_create_order( $given = array() ) {
	$order = new WC_Order();
	$order->set_status( $given['status'] ?? 'pending' );
	$order->set_created_via( $given['created_via'] ?? '' );
	$order->save();
	return $order;
}
/** Asks the method for the money where that is wanted; a refund of all that is left makes the order refunded. */
function wc_create_refund( $given ) {
	$order = wc_get_order( $given['order_id'] );
	$id    = wp_insert_post( array( 'post_type' => 'shop_order_refund', 'post_status' => 'wc-completed', 'post_parent' => $order->get_id(), 'post_title' => 'Refund' ) );
	if ( $given['refund_payment'] ) {
		$gateway = WC()->payment_gateways()->payment_gateways()[ $order->get_payment_method() ];
		$done    = $gateway->supports( 'refunds' ) ? $gateway->process_refund( $order->get_id(), $given['amount'], $given['reason'] ) : new WP_Error( 'error', 'The payment gateway for this order does not support automatic refunds.' );
		if ( is_wp_error( $done ) ) {
			wp_delete_post( $id, true );
			return $done;
		}
		update_post_meta( $id, '_refunded_payment', '1' );
	}
	if ( (float) $given['amount'] === (float) $order->get_total() ) {
		wc_get_order( $given['order_id'] )->update_status( 'refunded' );
	}
	do_action( 'woocommerce_order_refunded', $order->get_id(), $id );
	return wc_get_order( $id );
}
function wc_get_product( $id ) {
	return 'product' === get_post_type( $id ) ? new WC_Product( (int) $id ) : false;
}
function wc_get_order_notes( $query ) {
	$comments = get_comments( array( 'post_id' => $query['order_id'], 'type' => 'order_note', 'orderby' => 'comment_ID', 'order' => 'ASC' ) );
	return array_map( static function ( $one ) {
		return (object) array( 'content' => $one->comment_content, 'customer_note' => (bool) get_comment_meta( $one->comment_ID, 'is_customer_note', true ) );
	}, $comments );
}
function wc_cancel_unpaid_orders() {
	$ids = get_posts( array( 'post_type' => 'shop_order', 'numberposts' => -1, 'fields' => 'ids', 'post_status' => 'wc-pending', 'date_query' => array( array( 'before' => gmdate( 'Y-m-d H:i:s', time() - 60 * absint( get_option( 'woocommerce_hold_stock_minutes', 60 ) ) ), 'column' => 'post_modified_gmt' ) ) ) );
	foreach ( array_map( 'wc_get_order', $ids ) as $order ) {
		if ( apply_filters( 'woocommerce_cancel_unpaid_order', in_array( $order->get_created_via(), array( 'checkout', 'store-api' ), true ), $order ) ) {
			$order->update_status( 'cancelled', 'Unpaid order cancelled - time limit reached.' );
		}
	}
}
function wc_add_notice( $text, $type = 'success' ) {
	$GLOBALS['standin_notices'][] = $text;
}
function wc_get_cart_url() {
	return home_url( '/cart/' );
}
function wc_get_page_screen_id( $for ) {
	return 'shop_order';
}
function is_order_received_page() {
	return false;
}
function wc_get_logger() {
	return new class() {
		public function log( $level, $line, $context = array() ) {
			file_put_contents( WP_CONTENT_DIR . '/wc-log.txt', "$level $line\n", FILE_APPEND | LOCK_EX );
		}
	};
}

/* Action Scheduler, which WooCommerce brings. */
function as_has_scheduled_action( $hook, $args = null, $group = '' ) {
	return array_key_exists( $hook, (array) get_option( 'standin_actions', array() ) );
}
function as_schedule_recurring_action( $at, $interval, $hook, $args = array(), $group = '' ) {
	update_option( 'standin_actions', array( $hook => $interval ) + (array) get_option( 'standin_actions', array() ) );
}
function as_unschedule_all_actions( $hook, $args = array(), $group = '' ) {
	update_option( 'standin_actions', array_diff_key( (array) get_option( 'standin_actions', array() ), array( $hook => 1 ) ) );
}
function wc_get_checkout_url() {
	return home_url( '/checkout/' );
}

add_filter(
	'user_has_cap',
	static function ( $caps ) {
		return empty( $caps['administrator'] ) ? $caps : array( 'manage_woocommerce' => true, 'edit_shop_orders' => true ) + $caps;
	}
);
