<?php
/**
 * Money that came and does not belong to the order, sent back by the hub's claim link.
 *
 * No payer address is safe to assume, because a transfer may come from an exchange: the customer names one at the hub.
 * WooCommerce's own refund button is not offered, since it would change the order's total, and surplus is not in it.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Asks the hub for claim links.
 */
final class Paywharf_Refunds {

	const BUCKETS = array( 'underpaid', 'overpaid', 'late', 'duplicate' ); // What the hub keeps for a decision.

	/**
	 * Hook in.
	 */
	public static function register(): void {
		add_action( 'admin_post_paywharf_refund', array( __CLASS__, 'serve' ) );
	}

	/**
	 * Write the link that makes refund links, for an order's box.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function action( WC_Order $order ): string {
		if ( 'yes' === $order->get_meta( '_paywharf_is_test' ) ) {
			return ''; // No coins moved.
		}
		$url = wp_nonce_url( admin_url( 'admin-post.php?action=paywharf_refund&order=' . $order->get_id() ), 'paywharf_refund' );
		return sprintf( '<p><a href="%s">%s</a></p>', esc_url( $url ), esc_html__( 'Send surplus, late or double payments back', 'paywharf' ) );
	}

	/**
	 * Make refund links for a click, and go back to the order.
	 */
	public static function serve(): void {
		check_admin_referer( 'paywharf_refund' );
		$order = wc_get_order( absint( $_GET['order'] ?? 0 ) );
		if ( ! current_user_can( 'edit_shop_orders' ) || ! $order instanceof WC_Order ) {
			wp_die( esc_html__( 'You may not do that.', 'paywharf' ), '', array( 'response' => 403 ) );
		}
		try {
			$made = self::make( $order );
			if ( 0 === $made ) {
				$order->add_order_note( __( 'The hub holds no money of this order that could be sent back.', 'paywharf' ) );
			}
		} catch ( Paywharf_Error $error ) {
			Paywharf_Hub::trouble( 'order', $error->word(), $error->getMessage() );
		}
		wp_safe_redirect( $order->get_edit_order_url() );
		exit;
	}

	/**
	 * Make a claim link for every transfer of an order's payments that waits for a decision, and tell the customer.
	 *
	 * @param WC_Order $order Order.
	 * @return int How many links were made.
	 * @throws Paywharf_Error With the hub's word.
	 */
	public static function make( WC_Order $order ): int {
		$client = Paywharf_Hub::client( 'live' );
		$made   = 0;
		foreach ( Paywharf_Orders::payments_of( $order ) as $payment_id ) {
			$transfers = $client->call( 'GET', '/api/v1/payments/' . rawurlencode( $payment_id ) . '/transfers' )['transfers'];
			foreach ( $transfers as $transfer ) {
				if ( in_array( $transfer['bucket'], self::BUCKETS, true ) && null === $transfer['resolution'] ) {
					$made += self::offer( $client, $order, (string) $transfer['transfer_id'] );
				}
			}
		}
		return $made;
	}

	/**
	 * Make one claim link and write it into a note that the customer gets by mail.
	 *
	 * @param Paywharf_Client $client      Client.
	 * @param WC_Order        $order       Order.
	 * @param string          $transfer_id The hub's number.
	 * @return int 1, or 0 where a refund is under way already.
	 * @throws Paywharf_Error With the hub's word.
	 */
	private static function offer( Paywharf_Client $client, WC_Order $order, string $transfer_id ): int {
		try {
			$refund = $client->call( 'POST', '/api/v1/inbox/' . rawurlencode( $transfer_id ) . '/refund', array( 'note' => Paywharf_Orders::ref( $order ) ) )['refund'];
		} catch ( Paywharf_Error $error ) {
			if ( in_array( $error->word(), array( 'refund_underway', 'not_in_inbox' ), true ) ) {
				return 0;
			}
			throw $error;
		}
		/* translators: 1: amount, 2: URL */
		$text = sprintf( __( 'We owe you %1$s USDT. Please tell us there to which address we may send them: %2$s', 'paywharf' ), Paywharf_Client::amount( Paywharf_Client::units( (string) $refund['amount'] ) ), $refund['claim_url'] );
		$order->add_order_note( $text, 1 );
		return 1;
	}
}
