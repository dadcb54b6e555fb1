<?php
/**
 * Money that goes back, by the hub's claim links: what it keeps for a decision, and what has paid an order.
 *
 * No payer address is safe to assume, because a transfer may come from an exchange: the customer names one at the hub,
 * and the owner pays from a wallet of their own. WooCommerce's own refund button makes a link for what has paid an order,
 * in whole or in part, and while an order is unpaid for all its money that waits for a decision.
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
		add_action( 'woocommerce_order_refunded', array( __CLASS__, 'when_refunded' ), 10, 2 );
	}

	/**
	 * Tell whether WooCommerce's refund button can do something for an order.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function can_refund( WC_Order $order ): bool {
		return Paywharf_Orders::METHOD === $order->get_payment_method()
			&& array() !== Paywharf_Orders::payments_of( $order );
	}

	/**
	 * Answer WooCommerce's refund button, and its API's refunds.
	 *
	 * @param WC_Order $order  Order.
	 * @param string   $amount In the order's currency.
	 * @return true|WP_Error True once the customer has the links; else a sentence for who pressed.
	 */
	public static function by_button( WC_Order $order, string $amount ) {
		if ( self::is_test( $order ) ) {
			$order->add_order_note( __( 'TEST: this refund moved no coins, and neither did the payment.', 'paywharf' ) );
			return true;
		}
		if ( self::is_booked( $order ) ) {
			return self::paid_back( $order, $amount );
		}
		if ( wc_format_decimal( $amount, 6 ) !== wc_format_decimal( $order->get_total(), 6 ) ) {
			return new WP_Error( 'paywharf_in_part', __( 'The hub sends whole transfers back: refund the whole order.', 'paywharf' ) );
		}
		try {
			return self::make( $order ) > 0 ? true : new WP_Error( 'paywharf_nothing_held', self::nothing_held() );
		} catch ( Paywharf_Error $error ) {
			return new WP_Error( 'paywharf_' . $error->word(), Paywharf_Admin::cause( $error->word(), $error->getMessage() ) );
		}
	}

	/**
	 * Have the hub promise back what has paid an order.
	 *
	 * @param WC_Order $order  Order.
	 * @param string   $amount In the order's currency.
	 * @return true|WP_Error
	 */
	private static function paid_back( WC_Order $order, string $amount ) {
		try {
			Paywharf_Refund_Paid::make( $order, $amount );
			return true;
		} catch ( Paywharf_Error $error ) {
			$said = Paywharf_Admin::cause( $error->word(), $error->getMessage() );
			return new WP_Error( 'paywharf_' . $error->word(), __( 'Nothing was refunded.', 'paywharf' ) . ' ' . $said );
		} catch ( Exception $error ) { // The order is being worked on, or the amount is none.
			return new WP_Error( 'paywharf_not_refunded', __( 'Nothing was refunded.', 'paywharf' ) . ' ' . $error->getMessage() );
		}
	}

	/**
	 * Remind who records a refund of a paid order that no coins have moved.
	 *
	 * @param int $order_id  Order.
	 * @param int $refund_id Its refund.
	 */
	public static function when_refunded( $order_id, $refund_id ): void {
		$order   = wc_get_order( $order_id );
		$refund  = wc_get_order( $refund_id );
		$is_paid = $refund instanceof WC_Order_Refund && $refund->get_refunded_payment();
		if ( $order instanceof WC_Order && Paywharf_Orders::METHOD === $order->get_payment_method() && ! $is_paid && self::is_booked( $order ) && ! self::is_test( $order ) ) {
			$order->add_order_note( __( 'The refund was recorded and moved no coins.', 'paywharf' ) . ' ' . self::own_coins() );
		}
	}

	/**
	 * Write the link that makes refund links, for an order's box.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function action( WC_Order $order ): string {
		if ( self::is_test( $order ) ) {
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
				$order->add_order_note( self::nothing_held() );
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
		$order->add_order_note( self::owed( Paywharf_Client::amount( Paywharf_Client::units( (string) $refund['amount'] ) ), (string) $refund['claim_url'] ), 1 );
		return 1;
	}

	/**
	 * Tell a customer what is owed, and where to name an address.
	 *
	 * @param string $usdt Amount.
	 * @param string $url  Claim link.
	 */
	public static function owed( string $usdt, string $url ): string {
		/* translators: 1: amount, 2: URL */
		return sprintf( __( 'We owe you %1$s USDT. Please tell us there to which address we may send them: %2$s', 'paywharf' ), $usdt, $url );
	}

	/**
	 * Say that a paid order's coins are the owner's.
	 */
	private static function own_coins(): string {
		return __( 'The coins of this order went straight to your own address, and only you can send them back. Ask the customer for an address: the one the payment came from may belong to an exchange.', 'paywharf' );
	}

	/**
	 * Say that there is nothing to send.
	 */
	private static function nothing_held(): string {
		return __( 'The hub holds no money of this order that could be sent back, or a refund of it is under way already.', 'paywharf' );
	}

	/**
	 * Tell whether an order's payment is booked.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function is_booked( WC_Order $order ): bool {
		return '' !== (string) $order->get_meta( '_paywharf_txid' );
	}

	/**
	 * Tell whether an order's payment was a test.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function is_test( WC_Order $order ): bool {
		return 'yes' === $order->get_meta( '_paywharf_is_test' );
	}
}
