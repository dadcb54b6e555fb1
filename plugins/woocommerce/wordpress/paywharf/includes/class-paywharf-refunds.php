<?php
/**
 * Refunds by the hub's claim link: the customer names an address there, because no payer address is safe to assume.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Asks the hub for claim links.
 */
final class Paywharf_Refunds {

	/**
	 * Tell whether the connected hub makes claim links; it says so when the shop is connected or checked.
	 */
	public static function are_possible(): bool {
		return in_array( 'refund_claims', (array) get_option( 'paywharf_hub_features', array() ), true );
	}

	/**
	 * Make a claim link for a refund and write it into the order's notes, for the customer too.
	 *
	 * @param WC_Order|false $order  Order.
	 * @param string         $amount In the order's currency.
	 * @param string         $reason Reason.
	 * @return bool|WP_Error
	 */
	public static function make( $order, string $amount, string $reason ) {
		return new WP_Error( 'paywharf_refunds', __( 'This hub makes no refund links yet: pay back by hand, and mark the transfer as refunded at the hub.', 'paywharf' ) );
	}
}
