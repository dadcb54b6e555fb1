<?php
/**
 * What news from the hub means for an order: pure functions, no WordPress, no clock, no database.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || defined( 'PAYWHARF_BARE' ) || exit;

/**
 * Reads news out of webhooks and status answers alike, and decides at most one change of an order.
 */
final class Paywharf_Rules {

	/**
	 * Kinds of news that say money has come, whatever the payment's status.
	 */
	const MONEY = array( 'paid', 'underpaid', 'overpaid', 'late', 'duplicate' );

	/**
	 * Order statuses in which the goods are owed or the matter is over.
	 */
	const SETTLED = array( 'processing', 'completed', 'refunded' );

	/**
	 * What the shop owner may choose, and what stands without a choice.
	 */
	const DEFAULTS = array(
		'seen'      => 'on-hold',   // Or none.
		'underpaid' => 'on-hold',   // Or failed, none.
		'expired'   => 'cancelled', // Or failed, none.
		'canceled'  => 'pending',   // Or cancelled, failed.
		'late'      => 'on-hold',   // Or none.
		'reopen'    => 'no',        // Or yes: a paid payment revives a cancelled or failed order.
	);

	/**
	 * Event types of webhooks that are news about money or its absence; others are notes at most.
	 */
	const EVENTS = array(
		'payment.detected'   => 'seen',
		'payment.undetected' => 'unseen',
		'payment.paid'       => 'paid',
		'payment.expired'    => 'expired',
		'payment.canceled'   => 'canceled',
		'payment.underpaid'  => 'underpaid',
		'payment.overpaid'   => 'overpaid',
		'payment.late'       => 'late',
		'payment.duplicate'  => 'duplicate',
		'payment.accepted'   => 'paid',
		'payment.attached'   => 'paid',
		'payment.refunded'   => 'refunded',
	);

	/**
	 * Read news out of a verified webhook's fields.
	 *
	 * @param array $body Fields; the contract's `paid` body has no type and no sequence.
	 * @return array|null payment_id, order_ref, kind, status, amount, pay_amount, txid, is_test, sequence; null for none of ours.
	 */
	public static function from_webhook( array $body ): ?array {
		$type = (string) ( $body['type'] ?? ( 'paid' === ( $body['status'] ?? '' ) ? 'payment.paid' : '' ) );
		$kind = self::EVENTS[ $type ] ?? '';
		if ( '' === $kind || ! isset( $body['payment_id'], $body['order_id'], $body['status'] ) ) {
			return null;
		}
		if ( 'paid' === $kind && 'paid' !== $body['status'] ) {
			return null; // Accepted or attached, and still not enough: only `paid` means paid.
		}
		return self::news( $kind, (string) $body['status'], $body, isset( $body['sequence'] ) ? (int) $body['sequence'] : null );
	}

	/**
	 * Read news out of a payment as the hub's API shows it.
	 *
	 * @param array $payment The payment.
	 * @return array As from_webhook.
	 */
	public static function from_payment( array $payment ): array {
		$state   = (string) ( $payment['state'] ?? $payment['status'] );
		$anomaly = (string) ( $payment['anomaly'] ?? 'none' );
		$kind    = array(
			'pending'    => 'open',
			'confirming' => 'seen',
			'canceled'   => 'canceled',
			'failed'     => 'canceled',
		)[ $state ] ?? $state;
		if ( in_array( $anomaly, array( 'underpaid', 'overpaid', 'late', 'duplicate' ), true ) ) {
			$kind = $anomaly;
		}
		return self::news( $kind, (string) $payment['status'], $payment, null );
	}

	/**
	 * Decide what news changes: nothing, or the order's status once.
	 *
	 * @param array $news  Of from_webhook or from_payment.
	 * @param array $order is_ours, payment_id, status, is_known (an older payment of it), sequence, txid (booked), held
	 *                     (put on hold by us), fits (total, currency and amount are those of the payment), mode (the shop's).
	 * @param array $rules Choices; see DEFAULTS.
	 * @return array status ('' for no change; 'paid' to complete), note ('' for none), alert, answer (done or ignored: …).
	 */
	public static function decide( array $news, array $order, array $rules = array() ): array {
		$rules = $rules + self::DEFAULTS;
		$guard = self::guarded( $news, $order );
		if ( null !== $guard ) {
			return $guard;
		}
		if ( 'paid' === $news['status'] ) {
			return self::paid( $news, $order, $rules );
		}
		switch ( $news['kind'] ) {
			case 'seen':
				return self::seen( $order, $rules );
			case 'underpaid':
				return 'pending' === $news['status'] ? self::note( 'short_so_far' ) : self::ended( $order, $rules['underpaid'], 'underpaid', true );
			case 'late':
				return self::ended( $order, $rules['late'], 'late', true );
			case 'duplicate':
				return self::note( 'duplicate', true );
			case 'expired':
				return self::ended( $order, $rules['expired'], 'expired', false );
			case 'canceled':
				return self::ended( $order, $rules['canceled'], 'canceled', false );
			case 'unseen':
				return $order['held'] && 'on-hold' === $order['status'] ? self::change( 'pending', 'unseen' ) : self::note( 'unseen' );
			case 'refunded':
				return self::note( 'refunded' );
		}
		return self::nothing( 'nothing new' );
	}

	/**
	 * Refuse what must never touch the order; null lets the news pass.
	 *
	 * @param array $news  News.
	 * @param array $order Facts.
	 */
	private static function guarded( array $news, array $order ): ?array {
		$is_money = self::is_money( $news );
		if ( ! $order['is_ours'] ) {
			return self::nothing( 'paid by another method', $is_money ? 'other_method' : '', $is_money );
		}
		if ( $news['is_test'] && 'test' !== $order['mode'] ) {
			return self::nothing( 'a test payment in a live shop', $is_money ? 'test_in_live' : '' );
		}
		if ( (string) $news['payment_id'] !== (string) $order['payment_id'] ) {
			return self::of_another_payment( $news, $order );
		}
		if ( null !== $news['sequence'] && $news['sequence'] <= $order['sequence'] ) {
			return self::nothing( 'older than what is known' );
		}
		if ( '' !== $order['txid'] && 'paid' !== $news['status'] && 'refunded' !== $news['kind'] ) {
			return self::nothing( 'the payment is booked' );
		}
		return null;
	}

	/**
	 * Tell whether news says that money has come; then it is never passed over in silence.
	 *
	 * @param array $news News.
	 */
	private static function is_money( array $news ): bool {
		return 'paid' === $news['status'] || in_array( $news['kind'], self::MONEY, true );
	}

	/**
	 * Decide about an older payment of the order: money for it is for a human.
	 *
	 * @param array $news  News.
	 * @param array $order Facts.
	 */
	private static function of_another_payment( array $news, array $order ): array {
		if ( ! self::is_money( $news ) || ! $order['is_known'] ) {
			return self::nothing( 'not the current payment' );
		}
		if ( 'paid' === $news['status'] && in_array( $order['status'], array( 'pending', 'failed', 'cancelled' ), true ) ) {
			return self::change( 'on-hold', 'old_payment', true );
		}
		return self::nothing( 'not the current payment', 'old_payment', true );
	}

	/**
	 * Decide about a paid payment.
	 *
	 * @param array $news  News.
	 * @param array $order Facts.
	 * @param array $rules Choices.
	 */
	private static function paid( array $news, array $order, array $rules ): array {
		$odd = array(
			'overpaid'  => 'overpaid',
			'duplicate' => 'paid_twice',
		)[ $news['kind'] ] ?? '';
		if ( '' !== $order['txid'] || in_array( $order['status'], self::SETTLED, true ) ) {
			$is_same = $news['txid'] === $order['txid'];
			if ( '' === $odd && $is_same ) {
				return self::nothing( 'already booked' );
			}
			return $is_same ? self::note( $odd, 'paid_twice' === $odd ) : self::nothing( 'the order is settled', 'paid_when_settled', true );
		}
		if ( ! $order['fits'] ) {
			return self::change( 'on-hold', 'mismatch', true );
		}
		if ( in_array( $order['status'], array( 'cancelled', 'failed' ), true ) ) {
			return 'yes' === $rules['reopen'] ? self::change( 'paid', 'reopened', true ) : self::change( 'on-hold', 'paid_after_end', true );
		}
		if ( in_array( $order['status'], array( 'pending', 'on-hold' ), true ) ) {
			return self::change( 'paid', '' !== $odd ? $odd : 'paid', '' !== $odd );
		}
		return self::note( 'paid_in_odd_status', true );
	}

	/**
	 * Decide about a transfer that is seen and not final.
	 *
	 * @param array $order Facts.
	 * @param array $rules Choices.
	 */
	private static function seen( array $order, array $rules ): array {
		if ( in_array( $order['status'], array( 'pending', 'failed' ), true ) && 'on-hold' === $rules['seen'] ) {
			return self::change( 'on-hold', 'seen' );
		}
		return self::note( 'cancelled' === $order['status'] ? 'seen_after_end' : 'seen', 'cancelled' === $order['status'] );
	}

	/**
	 * Decide about a payment that ended unpaid: only an order that still waits, or that we put on hold, moves.
	 *
	 * @param array  $order    Facts.
	 * @param string $wanted   The choice's status, or none.
	 * @param string $note     Note.
	 * @param bool   $is_money Whether money has come all the same.
	 */
	private static function ended( array $order, string $wanted, string $note, bool $is_money ): array {
		$waits = 'pending' === $order['status'] || ( 'on-hold' === $order['status'] && $order['held'] );
		$waits = $waits || ( $is_money && 'on-hold' === $wanted && in_array( $order['status'], array( 'cancelled', 'failed' ), true ) );
		if ( ! $waits || 'none' === $wanted || $wanted === $order['status'] ) {
			return self::note( $note, $is_money );
		}
		return self::change( $wanted, $note, $is_money );
	}

	/**
	 * Put news together.
	 *
	 * @param string   $kind     Kind.
	 * @param string   $status   The hub's public word.
	 * @param array    $fields   Of the webhook or payment.
	 * @param int|null $sequence Number of the event, if it has one.
	 */
	private static function news( string $kind, string $status, array $fields, ?int $sequence ): array {
		return array(
			'payment_id' => (string) $fields['payment_id'],
			'order_ref'  => (string) $fields['order_id'],
			'kind'       => $kind,
			'status'     => $status,
			'amount'     => (string) ( $fields['amount'] ?? '' ),
			'pay_amount' => (string) ( $fields['pay_amount'] ?? '' ),
			'txid'       => (string) ( $fields['txid'] ?? '' ),
			'is_test'    => (bool) ( $fields['is_test'] ?? false ),
			'sequence'   => $sequence,
		);
	}

	/**
	 * A change of status.
	 *
	 * @param string $status Status, or paid.
	 * @param string $note   Note.
	 * @param bool   $alert  Whether a human must look.
	 */
	private static function change( string $status, string $note, bool $alert = false ): array {
		return array(
			'status' => $status,
			'note'   => $note,
			'alert'  => $alert,
			'answer' => 'done',
		);
	}

	/**
	 * A note alone.
	 *
	 * @param string $note  Note.
	 * @param bool   $alert Whether a human must look.
	 */
	private static function note( string $note, bool $alert = false ): array {
		return self::change( '', $note, $alert );
	}

	/**
	 * Nothing, and why.
	 *
	 * @param string $why   For the hub's log.
	 * @param string $note  Note all the same.
	 * @param bool   $alert Whether a human must look.
	 */
	private static function nothing( string $why, string $note = '', bool $alert = false ): array {
		return array(
			'status' => '',
			'note'   => $note,
			'alert'  => $alert,
			'answer' => 'ignored: ' . $why,
		);
	}
}
