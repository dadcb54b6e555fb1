<?php
/**
 * The way to the hub: WordPress' HTTP client under the plain PHP client, and what went wrong kept for the shop owner.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Makes clients, and remembers troubles until they are over.
 */
final class Paywharf_Hub {

	const TROUBLES = 'paywharf_troubles';
	const PATIENCE = HOUR_IN_SECONDS; // A currency that the hub refused is asked again after this.

	/**
	 * Make a client for a mode.
	 *
	 * @param string $mode test or live.
	 */
	public static function client( string $mode ): Paywharf_Client {
		return new Paywharf_Client(
			Paywharf_Settings::get( 'hub_url' ),
			Paywharf_Settings::get( $mode . '_key' ),
			Paywharf_Settings::get( $mode . '_secret' ),
			array( __CLASS__, 'send' )
		);
	}

	/**
	 * Send a request through WordPress; not its "safe" variant, which refuses hubs on a LAN and most ports.
	 *
	 * @param string $method  Method.
	 * @param string $url     Whole URL.
	 * @param array  $headers Headers.
	 * @param string $body    Raw bytes.
	 * @return array Status and body.
	 * @throws Paywharf_Error Unreachable.
	 */
	public static function send( string $method, string $url, array $headers, string $body ): array {
		$answer = wp_remote_request(
			$url,
			array(
				'method'      => $method,
				'headers'     => $headers,
				'body'        => '' === $body ? null : $body,
				'timeout'     => Paywharf_Client::TIMEOUT_S,
				'redirection' => 0,
				'user-agent'  => 'Paywharf-WooCommerce/' . PAYWHARF_VERSION,
			)
		);
		if ( is_wp_error( $answer ) ) {
			throw new Paywharf_Error( 'unreachable', $answer->get_error_message() ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
		}
		return array( (int) wp_remote_retrieve_response_code( $answer ), wp_remote_retrieve_body( $answer ) );
	}

	/**
	 * Write a line to WooCommerce's log; never a secret, never whole headers.
	 *
	 * @param string $line  What happened.
	 * @param string $level debug, info, warning or error; debug lines only when asked for.
	 */
	public static function log( string $line, string $level = 'info' ): void {
		if ( function_exists( 'wc_get_logger' ) && ( 'debug' !== $level || 'yes' === Paywharf_Settings::get( 'debug', 'no' ) ) ) {
			wc_get_logger()->log( $level, $line, array( 'source' => 'paywharf' ) );
		}
	}

	/**
	 * Keep what went wrong, to be shown to the shop owner until it is over.
	 *
	 * @param string $place Where: checkout, webhook, reconcile.
	 * @param string $word  Stable word.
	 * @param string $said  Sentence.
	 */
	public static function trouble( string $place, string $word, string $said ): void {
		self::log( "$place: $word: $said", 'error' );
		$known = (array) get_option( self::TROUBLES, array() );
		if ( ( $known[ $place ]['word'] ?? '' ) === $word && $known[ $place ]['at'] > time() - MINUTE_IN_SECONDS ) {
			return; // A stranger who sends rubbish shall not make us write all day.
		}
		$known[ $place ] = array(
			'word' => $word,
			'said' => $said,
			'at'   => time(),
		);
		update_option( self::TROUBLES, $known, false );
	}

	/**
	 * Forget a place's trouble: it works again.
	 *
	 * @param string $place Where.
	 */
	public static function well( string $place ): void {
		$known = (array) get_option( self::TROUBLES, array() );
		if ( isset( $known[ $place ] ) ) {
			unset( $known[ $place ] );
			update_option( self::TROUBLES, $known, false );
		}
	}

	/**
	 * List troubles by place: word, said, at.
	 */
	public static function troubles(): array {
		return (array) get_option( self::TROUBLES, array() );
	}

	/**
	 * Tell whether a refusal means that the hub cannot convert a currency; one that knows no prices at all says
	 * unknown_field or missing_field.
	 *
	 * @param string $word     The hub's.
	 * @param string $currency Code.
	 */
	public static function is_about_currency( string $word, string $currency ): bool {
		return 'USDT' !== $currency && in_array( $word, array( 'unsupported_currency', 'rate_unavailable', 'unknown_field', 'missing_field' ), true );
	}

	/**
	 * Remember that the hub has no rate for a currency, so that the method is hidden for a while.
	 *
	 * @param string $currency Code.
	 */
	public static function refuse_currency( string $currency ): void {
		set_transient( 'paywharf_no_' . strtolower( $currency ), 1, self::PATIENCE );
	}

	/**
	 * Tell whether the hub refused a currency lately.
	 *
	 * @param string $currency Code.
	 */
	public static function refuses_currency( string $currency ): bool {
		return false !== get_transient( 'paywharf_no_' . strtolower( $currency ) );
	}
}
