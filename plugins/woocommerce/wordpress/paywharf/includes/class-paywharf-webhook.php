<?php
/**
 * Takes the hub's signed webhooks: by REST, and by a twin address for hosts that block the REST path.
 *
 * 2xx only after everything is stored; 401 for a bad signature; 404 for an order that is not here; 503 to be told again.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * The door for webhooks.
 */
final class Paywharf_Webhook {

	/**
	 * Open both doors.
	 */
	public static function register(): void {
		add_action( 'rest_api_init', array( __CLASS__, 'add_route' ) );
		add_action( 'woocommerce_api_paywharf', array( __CLASS__, 'serve_twin' ) );
	}

	/**
	 * Add the REST route; who calls is told by the signature, not by WordPress' users.
	 */
	public static function add_route(): void {
		register_rest_route(
			'paywharf/v1',
			'/webhook',
			array(
				'methods'             => 'POST',
				'callback'            => array( __CLASS__, 'serve' ),
				'permission_callback' => '__return_true',
			)
		);
	}

	/**
	 * Serve the REST route.
	 *
	 * @param WP_REST_Request $request Request.
	 */
	public static function serve( WP_REST_Request $request ): WP_REST_Response {
		list( $status, $answer ) = self::take( $request->get_body(), $request->get_headers() );
		return new WP_REST_Response( $answer, $status );
	}

	/**
	 * Serve the twin.
	 */
	public static function serve_twin(): void {
		$headers = array();
		foreach ( $_SERVER as $name => $value ) {
			if ( 0 === strpos( $name, 'HTTP_' ) ) {
				$headers[ substr( $name, 5 ) ] = wp_unslash( $value );
			}
		}
		list( $status, $answer ) = self::take( (string) file_get_contents( 'php://input' ), $headers );
		wp_send_json( $answer, $status );
	}

	/**
	 * Take one webhook.
	 *
	 * @param string $body    Raw bytes.
	 * @param array  $headers As they came.
	 * @return array Status and answer.
	 */
	public static function take( string $body, array $headers ): array {
		try {
			$fields = Paywharf_Client::verify( $body, $headers, Paywharf_Settings::secrets() );
		} catch ( Paywharf_Error $error ) {
			if ( 'signature_missing' !== $error->word() ) {
				Paywharf_Hub::trouble( 'webhook', $error->word(), $error->getMessage() );
			}
			return array( $error->http_status(), self::refusal( $error->word(), $error->getMessage() ) );
		}
		Paywharf_Hub::well( 'webhook' );
		if ( 'test.ping' === ( $fields['type'] ?? '' ) ) {
			return array( 200, self::pong() );
		}
		$news = Paywharf_Rules::from_webhook( $fields );
		if ( null === $news ) {
			return array( 200, self::done( 'ignored: not about money' ) );
		}
		return self::book( $news );
	}

	/**
	 * Book verified news.
	 *
	 * @param array $news News.
	 * @return array Status and answer.
	 */
	private static function book( array $news ): array {
		try {
			$decision = Paywharf_Orders::apply( Paywharf_Orders::id_of( $news['order_ref'] ), $news );
		} catch ( Exception $error ) {
			Paywharf_Hub::trouble( 'webhook', 'not_booked', $error->getMessage() );
			return array( 503, self::refusal( 'not_booked', 'The order could not be changed now: send it again.' ) );
		}
		if ( Paywharf_Orders::UNKNOWN === $decision['answer'] ) {
			Paywharf_Hub::log( 'webhook: unknown order ' . $news['order_ref'], 'warning' );
			return array( 404, self::refusal( 'order_unknown', 'There is no such order in this shop.' ) );
		}
		return array( 200, self::done( $decision['answer'] ) );
	}

	/**
	 * Answer a test ping with what helps to find a fault, and with nothing that a stranger may not know.
	 */
	private static function pong(): array {
		update_option( 'paywharf_pinged_at', time(), false );
		return array(
			'ok'       => true,
			'pong'     => true,
			'mode'     => Paywharf_Settings::mode(),
			'versions' => Paywharf_Settings::versions(),
		);
	}

	/**
	 * A good answer.
	 *
	 * @param string $result What was done.
	 */
	private static function done( string $result ): array {
		return array(
			'ok'     => true,
			'result' => $result,
		);
	}

	/**
	 * A refusal.
	 *
	 * @param string $word Stable word.
	 * @param string $said Sentence.
	 */
	private static function refusal( string $word, string $said ): array {
		return array(
			'ok'    => false,
			'code'  => $word,
			'error' => $said,
		);
	}
}
