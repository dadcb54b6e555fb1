<?php
/**
 * The hourly look at open payments, in case every webhook was lost.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Runs by Action Scheduler, which WooCommerce brings.
 */
final class Paywharf_Reconcile {

	const HOOK     = 'paywharf_reconcile';
	const LOOK_S   = 14 * DAY_IN_SECONDS; // Older orders have long been decided by hand.
	const BUDGET_S = 20; // Action Scheduler gives a run thirty.

	/**
	 * Hook in, and see that the job is scheduled.
	 */
	public static function register(): void {
		add_action( self::HOOK, array( __CLASS__, 'run' ) );
		add_action( 'init', array( __CLASS__, 'schedule' ), 20 );
	}

	/**
	 * Schedule the job once.
	 */
	public static function schedule(): void {
		if ( function_exists( 'as_has_scheduled_action' ) && ! as_has_scheduled_action( self::HOOK, array(), 'paywharf' ) ) {
			as_schedule_recurring_action( time() + HOUR_IN_SECONDS, HOUR_IN_SECONDS, self::HOOK, array(), 'paywharf' );
		}
	}

	/**
	 * Take the job back.
	 */
	public static function unschedule(): void {
		if ( function_exists( 'as_unschedule_all_actions' ) ) {
			as_unschedule_all_actions( self::HOOK, array(), 'paywharf' );
		}
	}

	/**
	 * Ask about every order whose payment may have moved without our hearing of it; the longest unasked first.
	 *
	 * @return int How many were asked about.
	 */
	public static function run(): int {
		$until = time() + self::BUDGET_S;
		$asked = 0;
		foreach ( self::waiting() as $order ) {
			if ( time() > $until || ! self::ask( $order ) ) {
				break;
			}
			++$asked;
		}
		return $asked;
	}

	/**
	 * Ask about one order.
	 *
	 * @param WC_Order $order Order.
	 * @return bool False when the hub is away, so that asking on is of no use.
	 */
	private static function ask( WC_Order $order ): bool {
		set_transient( 'paywharf_looked_' . $order->get_id(), time(), DAY_IN_SECONDS );
		try {
			Paywharf_Orders::refresh( $order );
			Paywharf_Hub::well( 'reconcile' );
		} catch ( Paywharf_Error $error ) {
			Paywharf_Hub::trouble( 'reconcile', $error->word(), $error->getMessage() );
			return ! $error->is_passing();
		} catch ( RuntimeException $error ) {
			Paywharf_Hub::log( 'reconcile: ' . $error->getMessage(), 'warning' );
		}
		return true;
	}

	/**
	 * List orders of ours that wait, or were given up while money may have come.
	 *
	 * @return WC_Order[]
	 */
	private static function waiting(): array {
		$orders = wc_get_orders(
			array(
				'limit'          => 200,
				'payment_method' => Paywharf_Orders::METHOD,
				'status'         => array( 'pending', 'on-hold', 'cancelled', 'failed' ),
				'date_created'   => '>' . ( time() - self::LOOK_S ),
				'orderby'        => 'date',
				'order'          => 'DESC',
			)
		);
		$orders = array_filter(
			$orders,
			static function ( $order ) {
				return $order instanceof WC_Order && Paywharf_Orders::is_open( $order );
			}
		);
		usort(
			$orders,
			static function ( $one, $other ) {
				return (int) get_transient( 'paywharf_looked_' . $one->get_id() ) <=> (int) get_transient( 'paywharf_looked_' . $other->get_id() );
			}
		);
		return $orders;
	}
}
