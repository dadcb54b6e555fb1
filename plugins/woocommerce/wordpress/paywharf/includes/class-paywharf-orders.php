<?php
/**
 * Orders and their payments: opening one, booking news, and what happens when an order changes under it.
 *
 * All writes to an order go through WC_Order under the order's lock, so they hold with and without HPOS.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * The one writer of an order's payment.
 */
final class Paywharf_Orders {

	const METHOD  = 'paywharf';
	const OPEN    = array( 'pending', 'confirming' );
	const UNKNOWN = 'unknown order';
	const GRACE_S = 300; // Chain time may lag behind the wall clock.

	/**
	 * Orders that this process is saving itself.
	 *
	 * @var array
	 */
	private static $saving = array();

	/**
	 * Open the payment of an order, or find the open one, and say where to send the buyer.
	 *
	 * @param WC_Order $order Unpaid order.
	 * @return string URL.
	 * @throws Paywharf_Error With the hub's word; no_keys.
	 */
	public static function open( WC_Order $order ): string {
		$mode = Paywharf_Settings::mode();
		if ( ! Paywharf_Settings::has_keys( $mode ) ) {
			throw new Paywharf_Error( 'no_keys', 'The shop is not connected to a hub yet.' );
		}
		try {
			$payment = self::created( Paywharf_Hub::client( $mode ), $order );
		} catch ( Paywharf_Error $error ) {
			if ( Paywharf_Hub::is_about_currency( $error->word(), $order->get_currency() ) ) {
				Paywharf_Hub::refuse_currency( $order->get_currency() );
			}
			Paywharf_Hub::trouble( 'checkout', $error->word(), $error->getMessage() );
			throw $error;
		}
		Paywharf_Hub::well( 'checkout' );
		self::remember( $order->get_id(), $payment );
		update_option( 'paywharf_window_s', strtotime( (string) $payment['expires_at'] ) - strtotime( (string) $payment['created_at'] ), false );
		if ( 'paid' === $payment['status'] ) {
			self::apply( $order->get_id(), Paywharf_Rules::from_payment( $payment ) );
			return $order->get_checkout_order_received_url();
		}
		return (string) $payment['payment_url'];
	}

	/**
	 * Book news about an order's payment.
	 *
	 * The order is read under its lock and not before: what a process has read once, WooCommerce keeps in memory.
	 *
	 * @param int   $order_id Order.
	 * @param array $news     Of Paywharf_Rules.
	 * @return array The decision; its answer is UNKNOWN where there is no such order, or another's of the same number.
	 * @throws RuntimeException When it could not be booked and must come again.
	 */
	public static function apply( int $order_id, array $news ): array {
		$news = self::with_difference( $news );
		return Paywharf_Lock::with(
			$order_id,
			static function () use ( $order_id, $news ) {
				$order = self::fresh( $order_id );
				if ( null === $order || self::ref( $order ) !== $news['order_ref'] ) {
					return array( 'answer' => self::UNKNOWN );
				}
				$decision = Paywharf_Rules::decide( $news, self::facts( $order, $news ), Paywharf_Settings::rules() );
				self::carry_out( $order, $news, $decision );
				return $decision;
			}
		);
	}

	/**
	 * Ask the hub how an order's payment stands, and book it.
	 *
	 * @param WC_Order $order Order with a payment.
	 * @return array The decision.
	 * @throws Paywharf_Error When the hub gives no usable answer.
	 */
	public static function refresh( WC_Order $order ): array {
		$mode    = 'yes' === $order->get_meta( '_paywharf_is_test' ) ? 'test' : 'live';
		$payment = Paywharf_Hub::client( $mode )->status( $order->get_meta( '_paywharf_payment_id' ) );
		return self::apply( $order->get_id(), Paywharf_Rules::from_payment( $payment ) );
	}

	/**
	 * List the payments that an order has had, the present one last.
	 *
	 * @param WC_Order $order Order.
	 * @return string[]
	 */
	public static function payments_of( WC_Order $order ): array {
		return array_values( array_filter( array_merge( self::former( $order ), array( (string) $order->get_meta( '_paywharf_payment_id' ) ) ) ) );
	}

	/**
	 * Read the order's id out of a reference; 0 when it is none of ours.
	 *
	 * @param string $ref As sent to the hub.
	 */
	public static function id_of( string $ref ): int {
		return preg_match( '/^wc-([1-9][0-9]{0,17})-[0-9a-f]{8}$/D', $ref, $part ) ? (int) $part[1] : 0;
	}

	/**
	 * Name an order to the hub: its id, and a part that tells it from the same id in a copy of the shop or a new database.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function ref( WC_Order $order ): string {
		return sprintf( 'wc-%d-%s', $order->get_id(), substr( hash( 'sha256', $order->get_order_key() ), 0, 8 ) );
	}

	/**
	 * Write an order's total as the hub wants it.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function price( WC_Order $order ): string {
		return (string) wc_format_decimal( $order->get_total(), min( 6, wc_get_price_decimals() ) );
	}

	/**
	 * Tell whether a payment of ours waits for money, as far as we know.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function is_open( WC_Order $order ): bool {
		return self::METHOD === $order->get_payment_method()
			&& '' !== (string) $order->get_meta( '_paywharf_payment_id' )
			&& in_array( $order->get_meta( '_paywharf_state' ), self::OPEN, true );
	}

	/**
	 * Answer WooCommerce's question whether an unpaid order may be cancelled because its stock was held long enough.
	 *
	 * @param bool     $cancel What others say.
	 * @param WC_Order $order  Order.
	 */
	public static function may_cancel_unpaid( $cancel, $order ) {
		if ( ! $cancel || ! $order instanceof WC_Order || ! self::is_open( $order ) ) {
			return $cancel;
		}
		if ( time() < (int) $order->get_meta( '_paywharf_expires_at' ) + self::GRACE_S ) {
			return false;
		}
		try {
			self::refresh( $order );
		} catch ( RuntimeException $error ) {
			return false; // Nobody knows: an order with money on its way must not be cancelled.
		}
		$order = self::fresh( $order->get_id() );
		return null !== $order && ! self::is_open( $order ) && 'pending' === $order->get_status();
	}

	/**
	 * Watch an order's total and currency while its payment is open or just paid.
	 *
	 * @param int           $order_id Order.
	 * @param WC_Order|null $order    The object that was saved; older WooCommerce gives none.
	 */
	public static function when_saved( $order_id, $order = null ): void {
		if ( isset( self::$saving[ $order_id ] ) ) {
			return;
		}
		$order = $order instanceof WC_Order ? $order : wc_get_order( $order_id );
		if ( ! $order instanceof WC_Order || '' === (string) $order->get_meta( '_paywharf_price' ) || self::has_same_price( $order ) ) {
			return;
		}
		try {
			if ( self::is_open( $order ) ) {
				self::withdraw( $order );
			} elseif ( '' !== (string) $order->get_meta( '_paywharf_txid' ) ) {
				self::flag_changed_after_paying( $order );
			}
		} catch ( RuntimeException $error ) {
			Paywharf_Hub::trouble( 'order', 'not_booked', $error->getMessage() ); // Whoever saves the order must not fail by it.
		}
	}

	/**
	 * Cancel an order's payment at the hub; the next visit opens a new one.
	 *
	 * @param WC_Order $order Order whose payment is open.
	 */
	public static function withdraw( WC_Order $order ): void {
		$mode = 'yes' === $order->get_meta( '_paywharf_is_test' ) ? 'test' : 'live';
		$id   = (string) $order->get_meta( '_paywharf_payment_id' );
		try {
			Paywharf_Hub::client( $mode )->cancel( $id );
		} catch ( Paywharf_Error $error ) {
			if ( 'payment_closed' !== $error->word() ) {
				Paywharf_Hub::trouble( 'order', $error->word(), $error->getMessage() );
				/* translators: %s: reason */
				self::note_once( $order->get_id(), "withdraw:$id", sprintf( __( 'The order was changed, but its USDT payment could not be canceled: %s', 'paywharf' ), $error->getMessage() ) );
				return;
			}
		}
		self::write(
			$order->get_id(),
			static function ( WC_Order $order ) use ( $id ) {
				if ( (string) $order->get_meta( '_paywharf_payment_id' ) !== $id ) {
					return;
				}
				self::retire( $order );
				$order->add_order_note( __( 'The order was changed: its USDT payment was canceled, and the customer gets a new one at the next visit of the payment page.', 'paywharf' ) );
			}
		);
	}

	/**
	 * Create the payment at the hub; one with another amount is canceled first.
	 *
	 * @param Paywharf_Client $client Client.
	 * @param WC_Order        $order  Order.
	 * @return array The payment.
	 * @throws Paywharf_Error With the hub's word.
	 */
	private static function created( Paywharf_Client $client, WC_Order $order ): array {
		$wanted = array(
			'order_id'    => self::ref( $order ),
			/* translators: 1: order number, 2: shop name */
			'description' => mb_substr( sprintf( __( 'Order %1$s at %2$s', 'paywharf' ), $order->get_order_number(), wp_specialchars_decode( get_bloginfo( 'name' ), ENT_QUOTES ) ), 0, 255 ),
			'success_url' => $order->get_checkout_order_received_url(),
			'fail_url'    => Paywharf_Pages::fail_url( $order ),
		) + self::asked( $order );
		try {
			return $client->create( $wanted );
		} catch ( Paywharf_Error $error ) {
			if ( 'order_amount_conflict' !== $error->word() ) {
				throw $error;
			}
		}
		$client->cancel( $client->status_of_order( $wanted['order_id'] )['payment_id'] );
		return $client->create( $wanted );
	}

	/**
	 * Say what an order costs: USDT as an amount, anything else as a price that the hub converts, never we.
	 * WooCommerce writes "500.00" for yen too: decimals that say nothing are left out.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function asked( WC_Order $order ): array {
		if ( 'USDT' === $order->get_currency() ) {
			return array( 'amount' => self::price( $order ) );
		}
		$price = self::price( $order );
		return array(
			'price' => array(
				'amount'   => false === strpos( $price, '.' ) ? $price : rtrim( rtrim( $price, '0' ), '.' ),
				'currency' => $order->get_currency(),
			),
		);
	}

	/**
	 * Store a payment with its order; a failed order waits for payment again.
	 *
	 * @param int   $order_id Order.
	 * @param array $payment  The hub's.
	 */
	private static function remember( int $order_id, array $payment ): void {
		self::write(
			$order_id,
			static function ( WC_Order $order ) use ( $payment ) {
				$id = (string) $payment['payment_id'];
				if ( (string) $order->get_meta( '_paywharf_payment_id' ) === $id ) {
					return;
				}
				self::retire( $order );
				$stored = array(
					'payment_id'  => $id,
					'payment_url' => (string) $payment['payment_url'],
					'price'       => self::price( $order ),
					'currency'    => $order->get_currency(),
					'amount'      => (string) $payment['amount'],
					'is_test'     => $payment['is_test'] ? 'yes' : 'no',
					'state'       => (string) ( $payment['state'] ?? $payment['status'] ),
					'expires_at'  => (string) strtotime( (string) $payment['expires_at'] ),
					'sequence'    => '0',
				);
				foreach ( $stored as $name => $value ) {
					$order->update_meta_data( '_paywharf_' . $name, $value );
				}
				/* translators: 1: payment number, 2: URL */
				$order->add_order_note( sprintf( __( 'USDT payment %1$s was opened: %2$s', 'paywharf' ), $id, $payment['payment_url'] ) );
				if ( 'failed' === $order->get_status() ) {
					$order->update_status( 'pending' );
				}
			}
		);
	}

	/**
	 * Put an order's present payment among its former ones.
	 *
	 * @param WC_Order $order Order; not saved here.
	 */
	private static function retire( WC_Order $order ): void {
		$id = (string) $order->get_meta( '_paywharf_payment_id' );
		if ( '' === $id ) {
			return;
		}
		$order->update_meta_data( '_paywharf_former', array_merge( self::former( $order ), array( $id ) ) );
		foreach ( array( 'payment_id', 'payment_url', 'price', 'currency', 'amount', 'state', 'held' ) as $name ) {
			$order->delete_meta_data( '_paywharf_' . $name );
		}
	}

	/**
	 * Do what was decided: at most one change of status, a note once, an alert once.
	 *
	 * @param WC_Order $order    Order, read under its lock.
	 * @param array    $news     News.
	 * @param array    $decision Decision.
	 * @throws RuntimeException When WooCommerce did not take it.
	 */
	private static function carry_out( WC_Order $order, array $news, array $decision ): void {
		$key    = implode( ':', array( $decision['note'], $news['payment_id'], $news['txid'] ) );
		$is_new = '' !== $decision['note'] && ! in_array( $key, self::noted( $order ), true );
		$text   = $is_new ? Paywharf_Words::note( $decision['note'], $news ) : '';
		if ( $is_new ) {
			$order->update_meta_data( '_paywharf_noted', array_merge( self::noted( $order ), array( $key ) ) );
		}
		if ( (string) $order->get_meta( '_paywharf_payment_id' ) === $news['payment_id'] ) {
			self::take_down( $order, $news, $decision );
		}
		self::$saving[ $order->get_id() ] = true;
		try {
			self::change( $order, $news, $decision['status'], $text );
		} finally {
			unset( self::$saving[ $order->get_id() ] );
		}
		Paywharf_Hub::log( sprintf( 'order %d: payment %s %s: %s%s', $order->get_id(), $news['payment_id'], $news['kind'], $decision['answer'], '' !== $decision['status'] ? ', ' . $decision['status'] : '' ) );
		if ( $is_new && $decision['alert'] ) {
			self::alert( $order, $text );
		}
	}

	/**
	 * Change an order's status once, with its note.
	 *
	 * @param WC_Order $order  Order.
	 * @param array    $news   News.
	 * @param string   $status Status, paid, or an empty text.
	 * @param string   $text   Note; empty for none.
	 * @throws RuntimeException When WooCommerce did not take it.
	 */
	private static function change( WC_Order $order, array $news, string $status, string $text ): void {
		if ( 'paid' === $status ) {
			$order->payment_complete( $news['txid'] );
			if ( ! $order->is_paid() && ! $order->get_date_paid() ) {
				throw new RuntimeException( 'WooCommerce did not complete the order.' );
			}
			if ( '' !== $text ) {
				$order->add_order_note( $text );
			}
		} elseif ( '' !== $status ) {
			$order->update_status( $status, $text );
		} else {
			$order->save();
			if ( '' !== $text ) {
				$order->add_order_note( $text );
			}
		}
	}

	/**
	 * Write into the order's meta what is known now; saved with the change.
	 *
	 * @param WC_Order $order    Order.
	 * @param array    $news     News about its present payment.
	 * @param array    $decision Decision.
	 */
	private static function take_down( WC_Order $order, array $news, array $decision ): void {
		if ( 0 === strpos( $decision['answer'], 'ignored' ) ) {
			return;
		}
		$state = 'seen' === $news['kind'] ? 'confirming' : $news['status'];
		$order->update_meta_data( '_paywharf_state', $state );
		if ( null !== $news['sequence'] ) {
			$order->update_meta_data( '_paywharf_sequence', (string) $news['sequence'] );
		}
		if ( 'paid' === $news['status'] && '' === (string) $order->get_meta( '_paywharf_txid' ) ) {
			$order->update_meta_data( '_paywharf_txid', $news['txid'] );
		}
		if ( '' !== $decision['status'] ) {
			$order->update_meta_data( '_paywharf_held', 'seen' === $decision['note'] ? 'yes' : 'no' );
		}
	}

	/**
	 * Gather what decides.
	 *
	 * @param WC_Order $order Order, read under its lock.
	 * @param array    $news  News.
	 */
	private static function facts( WC_Order $order, array $news ): array {
		$former = self::former( $order );
		return array(
			'is_ours'    => self::METHOD === $order->get_payment_method(),
			'payment_id' => (string) $order->get_meta( '_paywharf_payment_id' ),
			'is_known'   => in_array( $news['payment_id'], $former, true ),
			'status'     => $order->get_status(),
			'sequence'   => (int) $order->get_meta( '_paywharf_sequence' ),
			'txid'       => (string) $order->get_meta( '_paywharf_txid' ),
			'held'       => 'yes' === $order->get_meta( '_paywharf_held' ),
			'fits'       => self::has_same_price( $order ) && self::is_same_amount( (string) $order->get_meta( '_paywharf_amount' ), $news['amount'] ),
			'mode'       => Paywharf_Settings::mode(),
		);
	}

	/**
	 * Tell whether two amounts are the same sum.
	 *
	 * @param string $one   Decimal text.
	 * @param string $other Decimal text.
	 */
	private static function is_same_amount( string $one, string $other ): bool {
		try {
			return Paywharf_Client::units( $one ) === Paywharf_Client::units( $other );
		} catch ( InvalidArgumentException $error ) {
			return false;
		}
	}

	/**
	 * Tell whether an order still costs what its payment was opened for.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function has_same_price( WC_Order $order ): bool {
		return self::price( $order ) === (string) $order->get_meta( '_paywharf_price' ) && $order->get_currency() === (string) $order->get_meta( '_paywharf_currency' );
	}

	/**
	 * Say once that a paid order costs more or less now; one whose goods are still here waits for a human.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function flag_changed_after_paying( WC_Order $order ): void {
		$price = self::price( $order ) . ' ' . $order->get_currency();
		/* translators: 1: price paid, 2: price now */
		$text = sprintf( __( 'The order was changed after it was paid: %1$s was paid for, the order says %2$s now. Decide what to do.', 'paywharf' ), $order->get_meta( '_paywharf_price' ) . ' ' . $order->get_meta( '_paywharf_currency' ), $price );
		self::write(
			$order->get_id(),
			static function ( WC_Order $order ) use ( $price, $text ) {
				$key = 'changed:' . $price;
				if ( in_array( $key, self::noted( $order ), true ) ) {
					return;
				}
				$order->update_meta_data( '_paywharf_noted', array_merge( self::noted( $order ), array( $key ) ) );
				if ( 'processing' === $order->get_status() ) {
					$order->update_status( 'on-hold', $text );
				} else {
					$order->add_order_note( $text );
				}
				self::alert( $order, $text );
			}
		);
	}

	/**
	 * Write a note unless the same was written before.
	 *
	 * @param int    $order_id Order.
	 * @param string $key      What it is about.
	 * @param string $text     Note.
	 */
	private static function note_once( int $order_id, string $key, string $text ): void {
		self::write(
			$order_id,
			static function ( WC_Order $order ) use ( $key, $text ) {
				if ( ! in_array( $key, self::noted( $order ), true ) ) {
					$order->update_meta_data( '_paywharf_noted', array_merge( self::noted( $order ), array( $key ) ) );
					$order->add_order_note( $text );
				}
			}
		);
	}

	/**
	 * Change an order under its lock and save it, without hearing ourselves.
	 *
	 * @param int      $order_id Order.
	 * @param callable $work     Given the order.
	 * @return mixed What the work gives; null where there is no such order.
	 * @throws RuntimeException When somebody else holds the lock for too long.
	 */
	public static function write( int $order_id, callable $work ) {
		return Paywharf_Lock::with(
			$order_id,
			static function () use ( $order_id, $work ) {
				$order = self::fresh( $order_id );
				if ( null === $order ) {
					return null;
				}
				self::$saving[ $order_id ] = true;
				try {
					$done = $work( $order );
					$order->save();
					return $done;
				} finally {
					unset( self::$saving[ $order_id ] );
				}
			}
		);
	}

	/**
	 * Read an order anew, past every cache of this process.
	 *
	 * @param int $order_id Order.
	 */
	private static function fresh( int $order_id ): ?WC_Order {
		clean_post_cache( $order_id );
		if ( class_exists( '\Automattic\WooCommerce\Caches\OrderCache' ) ) {
			wc_get_container()->get( \Automattic\WooCommerce\Caches\OrderCache::class )->remove( $order_id );
		}
		$store = WC_Data_Store::load( 'order' );
		if ( $store->has_callable( 'clear_cached_data' ) ) {
			$store->clear_cached_data( array( $order_id ) );
		}
		$order = wc_get_order( $order_id );
		if ( ! $order instanceof WC_Order ) {
			return null;
		}
		$order->read_meta_data( true );
		return $order;
	}

	/**
	 * Say what was missing or too much, where the news is about that.
	 *
	 * @param array $news News.
	 */
	private static function with_difference( array $news ): array {
		if ( $news['is_test'] || ! in_array( $news['kind'], array( 'underpaid', 'overpaid' ), true ) ) {
			return $news;
		}
		try {
			$units              = Paywharf_Hub::client( 'live' )->received_units( $news['payment_id'] ) - Paywharf_Client::units( $news['pay_amount'] );
			$news['difference'] = Paywharf_Client::amount( abs( $units ) );
		} catch ( Exception $error ) {
			Paywharf_Hub::log( 'difference: ' . $error->getMessage(), 'debug' );
		}
		return $news;
	}

	/**
	 * Tell the shop owner that an order needs a human.
	 *
	 * @param WC_Order $order Order.
	 * @param string   $text  Why.
	 */
	private static function alert( WC_Order $order, string $text ): void {
		/* translators: 1: shop name, 2: order number */
		$subject = sprintf( __( '[%1$s] Order %2$s needs a decision', 'paywharf' ), wp_specialchars_decode( get_bloginfo( 'name' ), ENT_QUOTES ), $order->get_order_number() );
		wp_mail( get_option( 'admin_email' ), $subject, $text . "\n\n" . $order->get_edit_order_url() );
	}

	/**
	 * List an order's former payments.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function former( WC_Order $order ): array {
		return array_filter( (array) $order->get_meta( '_paywharf_former' ) );
	}

	/**
	 * List what was noted.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function noted( WC_Order $order ): array {
		return array_filter( (array) $order->get_meta( '_paywharf_noted' ) );
	}
}
