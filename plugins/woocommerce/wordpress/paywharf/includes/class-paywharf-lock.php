<?php
/**
 * One writer per order at a time, across all PHP processes.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * A lock that is a row: whoever inserts it has it. add_option() would not do, because it overwrites what is there.
 */
final class Paywharf_Lock {

	const STALE_S    = 60; // A holder that died; longer than a request to the hub may take.
	const PATIENCE_S = 8;  // Less than the 15 s in which a webhook must be answered.

	/**
	 * Run something under an order's lock.
	 *
	 * @param int      $order_id Order.
	 * @param callable $work     What to do.
	 * @return mixed What it gives.
	 * @throws RuntimeException When somebody else holds the lock for too long.
	 */
	public static function with( int $order_id, callable $work ) {
		$name  = 'paywharf_lock_' . $order_id;
		$token = time() . ':' . wp_generate_password( 12, false );
		self::take( $name, $token );
		try {
			return $work();
		} finally {
			self::release( $name, $token );
		}
	}

	/**
	 * Wait for the lock.
	 *
	 * @param string $name  Row.
	 * @param string $token Ours.
	 * @throws RuntimeException When it is not to be had.
	 */
	private static function take( string $name, string $token ): void {
		$until = microtime( true ) + self::PATIENCE_S;
		while ( ! self::insert( $name, $token ) ) {
			self::drop_stale( $name );
			if ( microtime( true ) > $until ) {
				throw new RuntimeException( 'The order is being worked on.' );
			}
			usleep( 50000 + wp_rand( 0, 50000 ) );
		}
	}

	/**
	 * Insert the row; false when it is there.
	 *
	 * @param string $name  Row.
	 * @param string $token Ours.
	 */
	private static function insert( string $name, string $token ): bool {
		global $wpdb;
		$quiet = $wpdb->suppress_errors(); // A database that is busy for a moment is a lock not taken.
		$rows  = $wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO {$wpdb->options} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", $name, $token ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- the options API cannot insert only if absent.
		$wpdb->suppress_errors( $quiet );
		return 1 === $rows;
	}

	/**
	 * Give the lock back, if it is still ours.
	 *
	 * @param string $name  Row.
	 * @param string $token Ours.
	 */
	private static function release( string $name, string $token ): void {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name = %s AND option_value = %s", $name, $token ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- compare and delete.
	}

	/**
	 * Take the lock away from a holder that must have died.
	 *
	 * @param string $name Row.
	 */
	private static function drop_stale( string $name ): void {
		global $wpdb;
		$token = (string) $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM {$wpdb->options} WHERE option_name = %s", $name ) ); // phpcs:ignore WordPress.DB.DirectDatabaseQuery -- never from a cache.
		if ( '' !== $token && (int) $token < time() - self::STALE_S ) {
			self::release( $name, $token );
		}
	}
}
