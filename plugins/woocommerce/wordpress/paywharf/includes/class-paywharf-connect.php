<?php
/**
 * Connects the shop to a hub with one link, and takes the connection back.
 *
 * The link is `<hub>/connect#<code>`; the code works once and for a quarter of an hour, and stands for nothing afterwards.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Exchanges a code for keys, so that nobody has to copy secrets.
 */
final class Paywharf_Connect {

	const LINK = '~^(https?://[^\s#?]{1,2000}?)/connect/?#([A-Za-z0-9_-]{8,128})$~D';
	const SAID = 'paywharf_connect_said';

	/**
	 * Hook in.
	 */
	public static function register(): void {
		add_action( 'admin_post_paywharf_connect', array( __CLASS__, 'serve' ) );
		add_action( 'admin_post_paywharf_disconnect', array( __CLASS__, 'serve_disconnect' ) );
	}

	/**
	 * Show the field for a link, or what is connected.
	 */
	public static function show(): void {
		$said = get_transient( self::SAID );
		if ( is_string( $said ) ) {
			printf( '<div class="notice notice-info inline"><p>%s</p></div>', esc_html( $said ) );
		}
		$channel = Paywharf_Settings::get( 'channel_id' );
		if ( '' !== $channel ) {
			$url = wp_nonce_url( admin_url( 'admin-post.php?action=paywharf_disconnect' ), 'paywharf_disconnect' );
			/* translators: 1: hub address, 2: channel id */
			printf( '<p>%s <a class="button" href="%s">%s</a></p>', esc_html( sprintf( __( 'Connected to %1$s as %2$s.', 'paywharf' ), Paywharf_Settings::get( 'hub_url' ), $channel ) ), esc_url( $url ), esc_html__( 'Disconnect', 'paywharf' ) );
		}
		// A button with its own target, because WooCommerce's settings are one form already.
		printf(
			'<p><label for="paywharf_link"><strong>%s</strong></label><br><input type="text" class="regular-text" id="paywharf_link" name="paywharf_link" value="" autocomplete="off" placeholder="https://pay.example.com/connect#…"> <button class="button button-primary" formmethod="post" formnovalidate formaction="%s">%s</button></p>',
			esc_html__( 'Connect link from your hub', 'paywharf' ),
			esc_url( wp_nonce_url( admin_url( 'admin-post.php?action=paywharf_connect' ), 'paywharf_connect', 'paywharf_nonce' ) ),
			esc_html__( 'Connect', 'paywharf' )
		);
	}

	/**
	 * Connect for a click.
	 */
	public static function serve(): void {
		self::check( 'paywharf_connect', 'paywharf_nonce' );
		$link = sanitize_text_field( wp_unslash( $_POST['paywharf_link'] ?? '' ) ); // phpcs:ignore WordPress.Security.NonceVerification.Missing -- checked in check().
		try {
			/* translators: %s: project name */
			$said = sprintf( __( 'Connected to the project "%s". Enable the payment method, and check the connection.', 'paywharf' ), self::connect( $link ) );
		} catch ( Paywharf_Error $error ) {
			$said = self::reason( $error );
		}
		self::back( $said );
	}

	/**
	 * Disconnect for a click.
	 */
	public static function serve_disconnect(): void {
		self::check( 'paywharf_disconnect', '_wpnonce' );
		try {
			self::disconnect();
			$said = __( 'Disconnected. Open payments can no longer reach this shop.', 'paywharf' );
		} catch ( Paywharf_Error $error ) {
			$said = self::reason( $error );
		}
		self::back( $said );
	}

	/**
	 * Exchange a link for keys and store them.
	 *
	 * @param string $link As pasted.
	 * @return string The project's name.
	 * @throws Paywharf_Error With the hub's word; bad_link, unreachable, not_json.
	 */
	public static function connect( string $link ): string {
		if ( ! preg_match( self::LINK, trim( $link ), $part ) ) {
			throw new Paywharf_Error( 'bad_link', 'Not a connect link.' );
		}
		$given = self::exchanged( $part[1], $part[2] );
		$keys  = $given['keys'];
		Paywharf_Settings::set(
			array(
				'hub_url'        => rtrim( (string) ( $given['base_url'] ?? $part[1] ), '/' ),
				'channel_id'     => (string) $given['channel']['id'],
				'mode'           => 'live' === $given['project']['mode'] ? 'live' : 'test',
				'test_key'       => (string) $keys['test']['key'],
				'test_secret'    => (string) $keys['test']['secret'],
				'live_key'       => (string) $keys['live']['key'],
				'live_secret'    => (string) $keys['live']['secret'],
				'webhook_secret' => (string) $given['webhook_secret'],
			)
		);
		delete_option( Paywharf_Hub::TROUBLES );
		Paywharf_Hub::log( 'connected to ' . $part[1] );
		return (string) $given['project']['name'];
	}

	/**
	 * Tell the hub to send nothing more, and forget its keys. The live key may always do that; a test key may not part
	 * a live project from its shop.
	 *
	 * @throws Paywharf_Error When the hub cannot be told; then everything stays.
	 */
	public static function disconnect(): void {
		$target = '/api/v1/channels/' . rawurlencode( Paywharf_Settings::get( 'channel_id' ) ) . '/disconnect';
		Paywharf_Hub::client( 'live' )->call( 'POST', $target );
		Paywharf_Settings::set( array_fill_keys( array( 'channel_id', 'test_key', 'test_secret', 'live_key', 'live_secret', 'webhook_secret' ), '' ) );
	}

	/**
	 * Post the code, unsigned: it is the secret.
	 *
	 * @param string $base_url The hub.
	 * @param string $code     Code.
	 * @return array The answer.
	 * @throws Paywharf_Error With the hub's word; unreachable, not_json.
	 */
	private static function exchanged( string $base_url, string $code ): array {
		$body = (string) wp_json_encode(
			array(
				'code'             => $code,
				'platform'         => 'woocommerce',
				'website'          => home_url(),
				'webhook_url'      => Paywharf_Settings::webhook_url(),
				'webhook_url_twin' => Paywharf_Settings::webhook_url_twin(),
				'versions'         => Paywharf_Settings::versions(),
			)
		);
		list( $status, $text ) = Paywharf_Hub::send( 'POST', $base_url . '/connect', array( 'Content-Type' => 'application/json' ), $body );
		$answer                = json_decode( $text, true );
		if ( ! is_array( $answer ) || ! isset( $answer['ok'] ) ) {
			throw new Paywharf_Error( 'not_json', "HTTP $status", $status ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
		}
		if ( true !== $answer['ok'] ) {
			throw new Paywharf_Error( (string) ( $answer['code'] ?? 'refused' ), (string) ( $answer['error'] ?? '' ), $status ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- as above.
		}
		if ( ! isset( $answer['keys']['test']['secret'], $answer['keys']['live']['secret'], $answer['channel']['id'], $answer['webhook_secret'], $answer['project']['mode'] ) ) {
			throw new Paywharf_Error( 'not_json', 'The hub answered without keys.', $status ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
		}
		return $answer;
	}

	/**
	 * Say why connecting failed.
	 *
	 * @param Paywharf_Error $error Error.
	 */
	private static function reason( Paywharf_Error $error ): string {
		$known = array(
			'bad_link'             => __( 'That is no connect link: it looks like https://pay.example.com/connect#…', 'paywharf' ),
			'invalid_connect_code' => __( 'The hub does not know this link, or it was used or is older than fifteen minutes: make a new one.', 'paywharf' ),
			'website_mismatch'     => __( 'The project belongs to another website at the hub.', 'paywharf' ),
			'website_taken'        => __( 'Another project has this website at the hub.', 'paywharf' ),
			'egress_blocked'       => __( 'The hub may not call this shop: its address is a private one.', 'paywharf' ),
			'egress_failed'        => __( 'The hub does not find this shop by its name.', 'paywharf' ),
		);
		return isset( $known[ $error->word() ] ) ? $known[ $error->word() ] : Paywharf_Admin::cause( $error->word(), $error->getMessage() );
	}

	/**
	 * Let only whoever runs the shop go on.
	 *
	 * @param string $action Nonce's action.
	 * @param string $field  Nonce's field.
	 */
	private static function check( string $action, string $field ): void {
		check_admin_referer( $action, $field );
		if ( ! current_user_can( 'manage_woocommerce' ) ) {
			wp_die( esc_html__( 'You may not do that.', 'paywharf' ), '', array( 'response' => 403 ) );
		}
	}

	/**
	 * Go back to the settings with a sentence.
	 *
	 * @param string $said Sentence.
	 */
	private static function back( string $said ): void {
		set_transient( self::SAID, $said, MINUTE_IN_SECONDS );
		wp_safe_redirect( Paywharf_Admin::settings_url() );
		exit;
	}
}
