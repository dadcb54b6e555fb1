<?php
/**
 * Finds out why payments would not work: hub, keys, clock, TLS, firewalls, permalinks, hold stock, mixed modes.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Runs checks on demand; each finding is a level (good, warning, bad), what was looked at, and a sentence.
 */
final class Paywharf_Doctor {

	const RESULT       = 'paywharf_findings';
	const SKEW_S       = 60; // Signed requests may be 300 s off; from a minute on somebody should look.
	const PATIENCE     = 8;
	const ROUND_TRIP_S = 15; // As long as the hub itself waits for an answer.

	/**
	 * Hook in.
	 */
	public static function register(): void {
		add_action( 'admin_post_paywharf_check', array( __CLASS__, 'serve' ) );
	}

	/**
	 * Run all checks for a click, and go back to the settings.
	 */
	public static function serve(): void {
		check_admin_referer( 'paywharf_check' );
		if ( ! current_user_can( 'manage_woocommerce' ) ) {
			wp_die( esc_html__( 'You may not do that.', 'paywharf' ), '', array( 'response' => 403 ) );
		}
		set_transient( self::RESULT, self::findings(), 10 * MINUTE_IN_SECONDS );
		wp_safe_redirect( Paywharf_Admin::settings_url() );
		exit;
	}

	/**
	 * Run all checks.
	 *
	 * @return array[] level, what, said.
	 */
	public static function findings(): array {
		$found = array_merge( self::hub(), self::keys( 'test' ), self::keys( 'live' ), self::doors(), self::round_trip(), self::modes(), self::site(), self::stock() );
		return $found;
	}

	/**
	 * Show the button and the last findings.
	 */
	public static function show(): void {
		$url = wp_nonce_url( admin_url( 'admin-post.php?action=paywharf_check' ), 'paywharf_check' );
		printf( '<p><a class="button" href="%s">%s</a></p>', esc_url( $url ), esc_html__( 'Check the connection', 'paywharf' ) );
		$found = get_transient( self::RESULT );
		if ( ! is_array( $found ) ) {
			return;
		}
		$words = array(
			'good'    => __( 'good', 'paywharf' ),
			'warning' => __( 'look at this', 'paywharf' ),
			'bad'     => __( 'does not work', 'paywharf' ),
		);
		echo '<table class="widefat striped paywharf-findings" style="max-width:60em"><tbody>';
		foreach ( $found as $one ) {
			printf( '<tr><td>%s</td><td><strong>%s</strong></td><td>%s</td></tr>', esc_html( $one['what'] ), esc_html( $words[ $one['level'] ] ), esc_html( $one['said'] ) );
		}
		echo '</tbody></table>';
	}

	/**
	 * Look at the hub's address, its TLS and its clock.
	 */
	private static function hub(): array {
		$what = __( 'Hub', 'paywharf' );
		$url  = Paywharf_Settings::get( 'hub_url' );
		if ( '' === $url ) {
			return array( self::finding( 'bad', $what, __( 'No address of a hub is set.', 'paywharf' ) ) );
		}
		$asked  = microtime( true );
		$answer = wp_remote_get(
			$url . '/healthz',
			array(
				'timeout'     => self::PATIENCE,
				'redirection' => 0,
			)
		);
		if ( is_wp_error( $answer ) ) {
			return array( self::finding( 'bad', $what, $answer->get_error_message() ) );
		}
		$found = array();
		if ( 0 !== strpos( $url, 'https://' ) && ! in_array( wp_parse_url( $url, PHP_URL_HOST ), array( '127.0.0.1', 'localhost' ), true ) ) {
			$found[] = self::finding( 'warning', 'TLS', __( 'The hub is reached without https: signed requests can be read on the way.', 'paywharf' ) );
		}
		$found[] = 200 === wp_remote_retrieve_response_code( $answer )
			? self::finding( 'good', $what, __( 'It answers.', 'paywharf' ) )
			/* translators: %d: HTTP status */
			: self::finding( 'bad', $what, sprintf( __( 'It answers with HTTP %d.', 'paywharf' ), wp_remote_retrieve_response_code( $answer ) ) );
		return array_merge( $found, self::clock( (string) wp_remote_retrieve_header( $answer, 'date' ), (int) $asked ) );
	}

	/**
	 * Compare the hub's clock with ours.
	 *
	 * @param string $date  The answer's Date header.
	 * @param int    $asked When it was asked for.
	 */
	private static function clock( string $date, int $asked ): array {
		$there = '' !== $date ? strtotime( $date ) : false;
		if ( false === $there ) {
			return array();
		}
		$off = abs( $there - $asked );
		/* translators: %d: seconds */
		$said  = sprintf( __( 'This server and the hub differ by %d seconds.', 'paywharf' ), $off );
		$level = $off > Paywharf_Client::TOLERANCE_S ? 'bad' : ( $off > self::SKEW_S ? 'warning' : 'good' );
		return array( self::finding( $level, __( 'Clock', 'paywharf' ), $said ) );
	}

	/**
	 * Make a signed call with a mode's keys.
	 *
	 * @param string $mode test or live.
	 */
	private static function keys( string $mode ): array {
		$what = 'test' === $mode ? __( 'Test keys', 'paywharf' ) : __( 'Live keys', 'paywharf' );
		if ( ! Paywharf_Settings::has_keys( $mode ) ) {
			return array( self::finding( Paywharf_Settings::mode() === $mode ? 'bad' : 'warning', $what, __( 'They are not set.', 'paywharf' ) ) );
		}
		$other = 'test' === $mode ? 'live' : 'test';
		if ( false !== strpos( Paywharf_Settings::get( $mode . '_key' ), '_' . $other . '_' ) ) {
			return array( self::finding( 'bad', $what, __( 'These are the keys of the other mode.', 'paywharf' ) ) );
		}
		try {
			Paywharf_Hub::client( $mode )->call( 'GET', '/api/v1/payments?limit=1' );
		} catch ( Paywharf_Error $error ) {
			return array( self::finding( 'bad', $what, Paywharf_Admin::cause( $error->word(), $error->getMessage() ) ) );
		}
		return array( self::finding( 'good', $what, __( 'The hub accepts them.', 'paywharf' ) ) );
	}

	/**
	 * Send a signed ping to both of our own doors, from outside as the hub would.
	 */
	private static function doors(): array {
		$secrets = Paywharf_Settings::secrets();
		$mode    = Paywharf_Settings::mode();
		if ( ! isset( $secrets[ $mode ] ) ) {
			return array();
		}
		$body  = (string) wp_json_encode(
			array(
				'type'    => 'test.ping',
				'is_test' => 'test' === $mode,
			)
		);
		$found = array();
		foreach ( array( Paywharf_Settings::webhook_url(), Paywharf_Settings::webhook_url_twin() ) as $url ) {
			$found[] = self::door( $url, $body, Paywharf_Client::sign( $body, $secrets[ $mode ] ) );
		}
		return $found;
	}

	/**
	 * Knock at one door.
	 *
	 * @param string $url       Address.
	 * @param string $body      Ping.
	 * @param string $signature Its signature.
	 */
	private static function door( string $url, string $body, string $signature ): array {
		$what   = __( 'Webhook address', 'paywharf' ) . ' ' . $url;
		$answer = wp_remote_post(
			$url,
			array(
				'body'        => $body,
				'timeout'     => self::PATIENCE,
				'redirection' => 0,
				'headers'     => array(
					'Content-Type' => 'application/json',
					'X-Signature'  => $signature,
					'User-Agent'   => 'Paywharf',
				),
			)
		);
		if ( is_wp_error( $answer ) ) {
			return self::finding( 'warning', $what, $answer->get_error_message() );
		}
		$read = json_decode( wp_remote_retrieve_body( $answer ), true );
		if ( true === ( $read['pong'] ?? false ) ) {
			return self::finding( 'good', $what, __( 'A signed message arrives.', 'paywharf' ) );
		}
		$code = wp_remote_retrieve_response_code( $answer );
		return is_array( $read )
			/* translators: 1: HTTP status, 2: reason */
			? self::finding( 'bad', $what, sprintf( __( 'Refused with HTTP %1$d: %2$s', 'paywharf' ), $code, (string) ( $read['error'] ?? $read['message'] ?? '' ) ) )
			/* translators: %d: HTTP status */
			: self::finding( 'bad', $what, sprintf( __( 'HTTP %d and no answer of this plugin: a firewall, a login page or a redirect stands before it.', 'paywharf' ), $code ) );
	}

	/**
	 * Have the hub send a signed ping to this shop, and look what became of it.
	 */
	private static function round_trip(): array {
		$channel = Paywharf_Settings::get( 'channel_id' );
		$mode    = Paywharf_Settings::mode();
		$what    = __( 'Message from the hub', 'paywharf' );
		if ( '' === $channel || ! Paywharf_Settings::has_keys( $mode ) ) {
			return array();
		}
		try {
			$client = Paywharf_Hub::client( $mode );
			$id     = (int) $client->call( 'POST', '/api/v1/channels/' . rawurlencode( $channel ) . '/ping' )['delivery_id'];
			$until  = microtime( true ) + self::ROUND_TRIP_S;
			do {
				usleep( 300000 );
				$delivery = $client->call( 'GET', '/api/v1/deliveries/' . $id )['delivery'];
			} while ( 'due' === $delivery['state'] && '' === (string) $delivery['last_error'] && microtime( true ) < $until );
		} catch ( Paywharf_Error $error ) {
			return array( self::finding( 'bad', $what, Paywharf_Admin::cause( $error->word(), $error->getMessage() ) ) );
		}
		if ( 'done' === $delivery['state'] ) {
			return array( self::finding( 'good', $what, __( 'It arrived, and its signature fits.', 'paywharf' ) ) );
		}
		$said = '' !== (string) $delivery['last_error'] ? (string) $delivery['last_error'] : __( 'It is still on its way.', 'paywharf' );
		return array( self::finding( '' !== (string) $delivery['last_error'] ? 'bad' : 'warning', $what, $said ) );
	}

	/**
	 * See whether the shop sells in the mode that its place suggests.
	 */
	private static function modes(): array {
		$what = __( 'Mode', 'paywharf' );
		$is_real = 'production' === wp_get_environment_type();
		if ( 'test' === Paywharf_Settings::mode() && $is_real && 'yes' === Paywharf_Settings::get( 'enabled', 'no' ) ) {
			return array( self::finding( 'warning', $what, __( 'The shop is in test mode: customers can complete orders without paying.', 'paywharf' ) ) );
		}
		if ( 'live' === Paywharf_Settings::mode() && ! $is_real ) {
			return array( self::finding( 'warning', $what, __( 'The shop takes real money although WordPress says that this is no production site.', 'paywharf' ) ) );
		}
		return array( self::finding( 'good', $what, 'live' === Paywharf_Settings::mode() ? __( 'Live: real money', 'paywharf' ) : __( 'Test: no coins move', 'paywharf' ) ) );
	}

	/**
	 * See whether the shop's own addresses agree.
	 */
	private static function site(): array {
		$what  = __( 'Addresses of the shop', 'paywharf' );
		$hosts = array();
		foreach ( array( home_url(), wc_get_checkout_url(), rest_url() ) as $url ) {
			$hosts[] = (string) wp_parse_url( $url, PHP_URL_HOST );
		}
		$hosts = array_unique( $hosts );
		$found = 1 === count( $hosts )
			? array( self::finding( 'good', $what, $hosts[0] ) )
			/* translators: %s: list of hosts */
			: array( self::finding( 'warning', $what, sprintf( __( 'They are on several hosts, and the hub accepts one: %s', 'paywharf' ), implode( ', ', $hosts ) ) ) );
		if ( '' === (string) get_option( 'permalink_structure' ) ) {
			$found[] = self::finding( 'warning', __( 'Permalinks', 'paywharf' ), __( 'They are plain: give the hub the webhook address exactly as it stands above, with its question mark.', 'paywharf' ) );
		}
		return $found;
	}

	/**
	 * Compare how long stock is held with how long a payment may take.
	 */
	private static function stock(): array {
		$window_s = (int) get_option( 'paywharf_window_s', 0 );
		$hold_s   = MINUTE_IN_SECONDS * absint( get_option( 'woocommerce_hold_stock_minutes', 60 ) );
		if ( 'yes' !== get_option( 'woocommerce_manage_stock' ) || 0 === $window_s || 0 === $hold_s || $hold_s >= $window_s ) {
			return array();
		}
		/* translators: 1: minutes, 2: minutes */
		$said = sprintf( __( 'Stock is held for %1$d minutes and a payment may take %2$d: an order is not cancelled while its payment is open, so its stock is held longer.', 'paywharf' ), $hold_s / MINUTE_IN_SECONDS, $window_s / MINUTE_IN_SECONDS );
		return array( self::finding( 'warning', __( 'Hold stock', 'paywharf' ), $said ) );
	}

	/**
	 * A finding.
	 *
	 * @param string $level good, warning or bad.
	 * @param string $what  What was looked at.
	 * @param string $said  Sentence.
	 */
	private static function finding( string $level, string $what, string $said ): array {
		return array(
			'level' => $level,
			'what'  => $what,
			'said'  => $said,
		);
	}
}
