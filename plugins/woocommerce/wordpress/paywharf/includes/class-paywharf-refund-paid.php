<?php
/**
 * Money that has paid an order goes back: a claim link of the hub for the sum that the shop owner refunds.
 *
 * WooCommerce has made a refund of its own before it asks, one for each click, so a refund is made once by what the
 * order has written down under its lock, and by a key under which the hub gives the same link again.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Asks the hub for a claim link for all or a part of what has paid an order.
 */
final class Paywharf_Refund_Paid {

	const META    = '_paywharf_refunds'; // Each try that the hub has answered: units, at, and the hub's number, 0 when refused.
	const AGAIN_S = 60; // Two clicks for one sum within it are one; longer than a click can hang.

	/**
	 * Make a claim link and write it into a note that the customer gets by mail.
	 *
	 * @param WC_Order $order  Order whose payment is booked.
	 * @param string   $amount In the order's currency.
	 * @throws RuntimeException With the hub's word, refund_repeated or currency_changed; or when the order is being worked on.
	 */
	public static function make( WC_Order $order, string $amount ): void {
		$units   = Paywharf_Client::units( wc_format_decimal( $amount, 6 ) );
		$refused = Paywharf_Orders::write(
			$order->get_id(),
			static function ( WC_Order $order ) use ( $units ) {
				return self::promise( $order, $units );
			}
		);
		if ( null !== $refused ) {
			throw $refused;
		}
	}

	/**
	 * Have the hub promise the sum, and write that down.
	 *
	 * @param WC_Order $order Order, read under its lock; saved by who calls.
	 * @param int      $units Millionths of the order's currency.
	 * @return Paywharf_Error|null What the hub has refused.
	 * @throws Paywharf_Error As above.
	 */
	private static function promise( WC_Order $order, int $units ): ?Paywharf_Error {
		$tries = array_filter( (array) $order->get_meta( self::META ) );
		self::refuse_second_click( $tries, $units );
		$client = Paywharf_Hub::client( 'live' );
		$id     = (string) $order->get_meta( '_paywharf_payment_id' );
		$asked  = self::asked( $order, $client->status( $id ), $units );
		$key    = implode( ':', array( Paywharf_Orders::ref( $order ), $id, count( $tries ), $asked['amount'] ?? 'all' ) );
		try {
			$refund = $client->call( 'POST', '/api/v1/payments/' . rawurlencode( $id ) . '/refund', $asked, $key )['refund'];
		} catch ( Paywharf_Error $error ) {
			if ( $error->is_passing() || 'idempotency_in_flight' === $error->word() ) {
				throw $error; // It may have been made: the same key gives the same link.
			}
			$order->update_meta_data( self::META, self::with_try( $tries, $units, 0 ) );
			return $error;
		}
		$order->update_meta_data( self::META, self::with_try( $tries, $units, (int) $refund['refund_id'] ) );
		$order->add_order_note( self::note( $order, $asked, $units, $refund ), 1 );
		return null;
	}

	/**
	 * Refuse a sum that was refunded a moment ago.
	 *
	 * @param array $tries What was tried.
	 * @param int   $units Millionths of the order's currency.
	 * @throws Paywharf_Error With the word refund_repeated.
	 */
	private static function refuse_second_click( array $tries, int $units ): void {
		foreach ( $tries as $try ) {
			if ( 0 !== $try['refund_id'] && $try['units'] === $units && $try['at'] > time() - self::AGAIN_S ) {
				throw new Paywharf_Error( 'refund_repeated', __( 'The same sum of this order was refunded less than a minute ago. If you mean another refund, wait a minute and press again.', 'paywharf' ), 409 ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
			}
		}
	}

	/**
	 * Say what the hub is asked for: no amount, which is all that it has left, where the whole order is refunded; else
	 * the part of what was asked, rounded down to the millionth.
	 *
	 * @param WC_Order $order   Order.
	 * @param array    $payment The hub's.
	 * @param int      $units   Millionths of the order's currency.
	 * @throws Paywharf_Error With the word currency_changed.
	 */
	private static function asked( WC_Order $order, array $payment, int $units ): array {
		$price = $payment['price'] ?? array(
			'amount'   => $payment['amount'],
			'currency' => 'USDT',
		);
		if ( $order->get_currency() !== $price['currency'] ) {
			/* translators: %s: currency code */
			throw new Paywharf_Error( 'currency_changed', sprintf( __( 'This order was paid in %s and has another currency now, so the sum cannot be converted. Refund it at the hub.', 'paywharf' ), $price['currency'] ), 409 ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
		}
		$whole = Paywharf_Client::units( (string) $price['amount'] );
		$asked = array( 'note' => Paywharf_Orders::ref( $order ) );
		if ( $units === $whole && Paywharf_Client::units( wc_format_decimal( $order->get_total(), 6 ) ) === $whole ) {
			return $asked;
		}
		$asked['amount'] = Paywharf_Client::amount( Paywharf_Client::share( Paywharf_Client::units( (string) $payment['amount'] ), $units, $whole ) );
		return $asked;
	}

	/**
	 * Write what the customer reads.
	 *
	 * @param WC_Order $order  Order.
	 * @param array    $asked  What the hub was asked for.
	 * @param int      $units  Millionths of the order's currency.
	 * @param array    $refund The hub's.
	 */
	private static function note( WC_Order $order, array $asked, int $units, array $refund ): string {
		$usdt = Paywharf_Client::amount( Paywharf_Client::units( (string) $refund['amount'] ) );
		if ( ! isset( $asked['amount'] ) || 'USDT' === $order->get_currency() ) {
			return Paywharf_Refunds::owed( $usdt, (string) $refund['claim_url'] );
		}
		/* translators: 1: amount, 2: price, 3: URL */
		return sprintf( __( 'We owe you %1$s USDT: that is %2$s at the rate of your payment, rounded down to a millionth. Please tell us there to which address we may send them: %3$s', 'paywharf' ), $usdt, Paywharf_Client::amount( $units ) . ' ' . $order->get_currency(), $refund['claim_url'] );
	}

	/**
	 * Add a try that the hub has answered.
	 *
	 * @param array $tries     Those before.
	 * @param int   $units     Millionths of the order's currency.
	 * @param int   $refund_id The hub's number; 0 when it refused.
	 */
	private static function with_try( array $tries, int $units, int $refund_id ): array {
		$tries[] = array(
			'units'     => $units,
			'at'        => time(),
			'refund_id' => $refund_id,
		);
		return $tries;
	}
}
