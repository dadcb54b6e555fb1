<?php
/**
 * What is written into an order's notes, in the shop's language.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Turns a decision's note into a sentence.
 */
final class Paywharf_Words {

	/**
	 * Write a note.
	 *
	 * @param string $note Of Paywharf_Rules.
	 * @param array  $news The news it is about; may have `difference`, an amount as text.
	 */
	public static function note( string $note, array $news ): string {
		$txid = '' !== $news['txid'] ? $news['txid'] : __( 'not known yet', 'paywharf' );
		$gap  = (string) ( $news['difference'] ?? '' );
		$text = self::texts( $txid, '' !== $gap ? $gap : '?', $news )[ $note ] ?? $note;
		return $news['is_test'] ? __( 'TEST:', 'paywharf' ) . ' ' . $text : $text;
	}

	/**
	 * All notes.
	 *
	 * @param string $txid Transaction.
	 * @param string $gap  Missing or surplus USDT.
	 * @param array  $news News.
	 */
	private static function texts( string $txid, string $gap, array $news ): array {
		return array(
			/* translators: %s: transaction id */
			'paid'               => sprintf( __( 'USDT payment is final. Transaction: %s', 'paywharf' ), $txid ),
			/* translators: %s: transaction id */
			'seen'               => sprintf( __( 'A USDT transfer was seen and is not final yet. Do not ship. Transaction: %s', 'paywharf' ), $txid ),
			'unseen'             => __( 'The USDT transfer that was seen is gone from the chain. The order waits for payment again.', 'paywharf' ),
			/* translators: 1: amount, 2: transaction id */
			'overpaid'           => sprintf( __( 'The customer sent %1$s USDT too much. Transaction: %2$s', 'paywharf' ), $gap, $txid ),
			/* translators: %s: amount */
			'underpaid'          => sprintf( __( 'The payment window ended and %s USDT are missing. Decide what to do.', 'paywharf' ), $gap ),
			/* translators: %s: amount */
			'short_so_far'       => sprintf( __( 'Too little has arrived so far: %s USDT are missing. The payment page asks for the rest.', 'paywharf' ), $gap ),
			'late'               => __( 'The USDT arrived after the payment window. Decide at the hub whether to take them for this order.', 'paywharf' ),
			'duplicate'          => __( 'More USDT arrived for this order although another payment has it. They wait in the hub\'s inbox.', 'paywharf' ),
			'paid_twice'         => __( 'The customer paid this order twice. The second transfer waits in the hub\'s inbox.', 'paywharf' ),
			'expired'            => __( 'The payment window ended without a payment.', 'paywharf' ),
			'canceled'           => __( 'The USDT payment was canceled.', 'paywharf' ),
			/* translators: %s: transaction id */
			'paid_after_end'     => sprintf( __( 'Paid after the order was cancelled or failed: its stock may be gone. Decide what to do. Transaction: %s', 'paywharf' ), $txid ),
			/* translators: %s: transaction id */
			'reopened'           => sprintf( __( 'Paid after the order was cancelled or failed; it was reopened as the settings ask. Transaction: %s', 'paywharf' ), $txid ),
			/* translators: %s: transaction id */
			'mismatch'           => sprintf( __( 'Paid, but the order was changed since: compare what was asked and what the order says now. Transaction: %s', 'paywharf' ), $txid ),
			/* translators: 1: payment number, 2: transaction id */
			'old_payment'        => sprintf( __( 'Money came for an older payment (%1$s) of this order. Decide what to do. Transaction: %2$s', 'paywharf' ), $news['payment_id'], $txid ),
			/* translators: %s: transaction id */
			'other_method'       => sprintf( __( 'USDT arrived although this order uses another payment method now. Decide what to do. Transaction: %s', 'paywharf' ), $txid ),
			/* translators: %s: transaction id */
			'paid_when_settled'  => sprintf( __( 'USDT arrived although this order is settled already. Decide what to do. Transaction: %s', 'paywharf' ), $txid ),
			/* translators: %s: transaction id */
			'paid_in_odd_status' => sprintf( __( 'Paid, but the order has a status that a payment does not change. Decide what to do. Transaction: %s', 'paywharf' ), $txid ),
			'seen_after_end'     => __( 'A USDT transfer was seen for this cancelled order.', 'paywharf' ),
			'test_in_live'       => __( 'A test payment was completed; no coins moved, and the shop is in live mode. The order stays unpaid.', 'paywharf' ),
			'refunded'           => __( 'USDT of this payment were marked as paid back at the hub.', 'paywharf' ),
		);
	}
}
