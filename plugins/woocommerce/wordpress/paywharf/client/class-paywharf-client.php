<?php
/**
 * Everything a PHP shop needs of a Paywharf hub, in one file without dependencies: sign, verify, create, status.
 *
 * It knows no shop system and keeps nothing. Any cart may carry this file as it is; it needs PHP 7.4 with the json and
 * hash extensions. Money is text on the way ("50.00") and whole units of 10^-6 USDT in comparisons, never a float.
 *
 *     $client  = new Paywharf_Client( 'https://pay.example.com', 'pk_live_…', 'sk_live_…' );
 *     $payment = $client->create( array( 'order_id' => 'ORDER_1', 'amount' => '50.00' ) );
 *     header( 'Location: ' . $payment['payment_url'] );
 *
 * @package Paywharf
 * @license GPL-2.0-or-later
 */

if ( ! class_exists( 'Paywharf_Error', false ) ) {

	/**
	 * What went wrong: a stable word to compare, a sentence for people, the HTTP status (0: no usable answer came).
	 */
	class Paywharf_Error extends RuntimeException {

		/**
		 * The hub's stable word, or one of ours: unreachable, not_json, signature_missing, signature_wrong, clock_off,
		 * wrong_mode.
		 *
		 * @var string
		 */
		private $word;

		/**
		 * HTTP status of the answer; 0 where none came.
		 *
		 * @var int
		 */
		private $http_status;

		/**
		 * Keep word, sentence and status.
		 *
		 * @param string $word        Stable word.
		 * @param string $sentence    For people; holds no secret.
		 * @param int    $http_status Of the answer.
		 */
		public function __construct( string $word, string $sentence, int $http_status = 0 ) {
			parent::__construct( $sentence );
			$this->word        = $word;
			$this->http_status = $http_status;
		}

		/**
		 * Give the stable word.
		 */
		public function word(): string {
			return $this->word;
		}

		/**
		 * Give the HTTP status, 0 where no answer came.
		 */
		public function http_status(): int {
			return $this->http_status;
		}

		/**
		 * Tell whether the same call may go through later: the hub is away, busy or broken.
		 */
		public function is_passing(): bool {
			return 0 === $this->http_status || 429 === $this->http_status || $this->http_status >= 500;
		}
	}
}

if ( ! class_exists( 'Paywharf_Client', false ) ) {

	/**
	 * A caller of one hub with one key pair.
	 */
	class Paywharf_Client {

		const TOLERANCE_S = 300; // A webhook signed longer ago may be a replay (Standard Webhooks).
		const TIMEOUT_S   = 10;  // A buyer waits for it.
		const UNITS       = 6;   // Decimal places of USDT on TRON.

		/**
		 * Base URL of the hub, without a slash at its end.
		 *
		 * @var string
		 */
		private $base_url;

		/**
		 * Public key.
		 *
		 * @var string
		 */
		private $key;

		/**
		 * Its secret; never logged.
		 *
		 * @var string
		 */
		private $secret;

		/**
		 * What sends a request: (method, url, headers, body) to array( status, body ); throws Paywharf_Error.
		 *
		 * @var callable
		 */
		private $transport;

		/**
		 * Keep whom to call and with which keys.
		 *
		 * @param string        $base_url  The hub, such as https://pay.example.com.
		 * @param string        $key       Public key.
		 * @param string        $secret    Secret key.
		 * @param callable|null $transport Another HTTP client than PHP's own.
		 */
		public function __construct( string $base_url, string $key, string $secret, ?callable $transport = null ) {
			$this->base_url  = rtrim( $base_url, '/' );
			$this->key       = $key;
			$this->secret    = $secret;
			$this->transport = null !== $transport ? $transport : array( __CLASS__, 'send' );
		}

		/**
		 * Create the payment of an order, or get the one it has; send the buyer to its `payment_url`.
		 *
		 * @param array $wanted order_id, amount as text; optional currency, description, success_url, fail_url.
		 * @return array The payment.
		 * @throws Paywharf_Error With the hub's word; unreachable, not_json.
		 */
		public function create( array $wanted ): array {
			return $this->payment( $this->call( 'POST', '/api/v1/payments', $wanted ) );
		}

		/**
		 * Read how a payment stands.
		 *
		 * @param string|int $payment_id The hub's number.
		 * @return array The payment.
		 * @throws Paywharf_Error With the hub's word; unreachable, not_json.
		 */
		public function status( $payment_id ): array {
			return $this->payment( $this->call( 'GET', '/api/v1/payments/' . rawurlencode( (string) $payment_id ) ) );
		}

		/**
		 * Read the newest payment of an order.
		 *
		 * @param string $order_id As given at its creation.
		 * @return array The payment.
		 * @throws Paywharf_Error With the hub's word; unreachable, not_json.
		 */
		public function status_of_order( string $order_id ): array {
			return $this->payment( $this->call( 'GET', '/api/v1/payments/by-order?order_id=' . rawurlencode( $order_id ) ) );
		}

		/**
		 * Cancel a payment that waits for money; canceling it again changes nothing.
		 *
		 * @param string|int $payment_id The hub's number.
		 * @return array The payment.
		 * @throws Paywharf_Error With the hub's word, transfer_underway among them; unreachable, not_json.
		 */
		public function cancel( $payment_id ): array {
			$target = '/api/v1/payments/' . rawurlencode( (string) $payment_id ) . '/cancel';
			return $this->payment( $this->call( 'POST', $target ) );
		}

		/**
		 * Add up what has come for a payment in final blocks.
		 *
		 * @param string|int $payment_id The hub's number.
		 * @return int Units of 10^-6 USDT.
		 * @throws Paywharf_Error With the hub's word; unreachable, not_json.
		 */
		public function received_units( $payment_id ): int {
			$answer = $this->call( 'GET', '/api/v1/payments/' . rawurlencode( (string) $payment_id ) . '/transfers' );
			$sum    = 0;
			foreach ( $answer['transfers'] ?? array() as $transfer ) {
				$sum += self::units( (string) ( $transfer['amount'] ?? '0' ) );
			}
			return $sum;
		}

		/**
		 * Send any signed request to the hub.
		 *
		 * @param string     $method GET, POST or DELETE.
		 * @param string     $target Path and query, exactly as they will stand on the request line.
		 * @param array|null $fields The body's fields; null for none.
		 * @param string     $key    Idempotency key, at most 255 characters; a second call with it gets the first one's answer.
		 * @return array The answer, whose `ok` is true.
		 * @throws Paywharf_Error With the hub's word; unreachable, not_json.
		 */
		public function call( string $method, string $target, ?array $fields = null, string $key = '' ): array {
			$body    = null === $fields ? '' : (string) json_encode( $fields ); // phpcs:ignore WordPress.WP.AlternativeFunctions.json_encode_json_encode -- no WordPress here.
			$path    = (string) parse_url( $this->base_url, PHP_URL_PATH ); // phpcs:ignore WordPress.WP.AlternativeFunctions.parse_url_parse_url -- no WordPress here.
			$headers = self::request_headers( $this->key, $this->secret, $method, $path . $target, $body );
			if ( null !== $fields ) {
				$headers['Content-Type'] = 'application/json';
			}
			if ( '' !== $key ) {
				$headers['Idempotency-Key'] = $key;
			}
			list( $status, $text ) = call_user_func( $this->transport, $method, $this->base_url . $target, $headers, $body );
			return self::read( (int) $status, (string) $text );
		}

		/**
		 * Sign the exact bytes of a body as `X-Signature` of webhooks and of the compatible API.
		 *
		 * @param string $body   Raw bytes.
		 * @param string $secret Secret key.
		 */
		public static function sign( string $body, string $secret ): string {
			return hash_hmac( 'sha256', $body, $secret );
		}

		/**
		 * Sign a request to /api/v1: over time, nonce, method, target and body, so that a captured one is worth nothing.
		 *
		 * @param string      $key    Public key.
		 * @param string      $secret Secret key.
		 * @param string      $method Method.
		 * @param string      $target Path and query as on the request line.
		 * @param string      $body   Raw bytes.
		 * @param int|null    $now    Unix time; the present one without it.
		 * @param string|null $nonce  16 to 64 letters, digits, hyphens, underscores; random without it.
		 * @return array Header names and values.
		 */
		public static function request_headers( string $key, string $secret, string $method, string $target, string $body, ?int $now = null, ?string $nonce = null ): array {
			$time  = (string) ( null !== $now ? $now : time() );
			$nonce = null !== $nonce ? $nonce : bin2hex( random_bytes( 16 ) );
			$text  = "v1\n$time\n$nonce\n$method\n$target\n$body";
			return array(
				'X-API-Key'   => $key,
				'X-Timestamp' => $time,
				'X-Nonce'     => $nonce,
				'X-Signature' => 'v1=' . hash_hmac( 'sha512', $text, $secret ),
				'Accept'      => 'application/json',
			);
		}

		/**
		 * Return what a webhook says if it is the hub's; look at nothing of it before.
		 *
		 * Either signature is enough: the Standard Webhooks one (with `webhook`, fresh by its timestamp) or `X-Signature`
		 * with the secret of the key set that made the payment. A body that another mode's secret signed is refused.
		 *
		 * @param string   $body    Raw bytes, as they came.
		 * @param array    $headers Any case, `-` or `_`; values are texts or lists of one text.
		 * @param array    $secrets Any of test, live (secret keys), webhook (whsec_…), each a text or a list of texts.
		 * @param int|null $now     Unix time; the present one without it.
		 * @return array The body's fields.
		 * @throws Paywharf_Error One of signature_missing, signature_wrong, clock_off, wrong_mode, not_json; status 401 or 400.
		 */
		public static function verify( string $body, array $headers, array $secrets, ?int $now = null ): array {
			$headers = self::plain_headers( $headers );
			$mode    = self::mode_signed( $body, $headers, $secrets );
			if ( ! self::is_standard( $body, $headers, $secrets, null !== $now ? $now : time() ) && '' === $mode ) {
				$given = isset( $headers['x-signature'] ) || isset( $headers['webhook-signature'] );
				throw $given
					? new Paywharf_Error( 'signature_wrong', 'The signature does not fit: another secret, or the body was changed on its way.', 401 )
					: new Paywharf_Error( 'signature_missing', 'The request is not signed.', 401 );
			}
			$fields = json_decode( $body, true );
			if ( ! is_array( $fields ) ) {
				throw new Paywharf_Error( 'not_json', 'The body is not a JSON object.', 400 );
			}
			if ( '' !== $mode && isset( $fields['is_test'] ) && ( 'test' === $mode ) !== (bool) $fields['is_test'] ) {
				throw new Paywharf_Error( 'wrong_mode', 'The body was signed with the keys of the other mode.', 401 );
			}
			return $fields;
		}

		/**
		 * Read an amount as whole units of 10^-6 USDT, so that amounts can be compared.
		 *
		 * @param string $amount Decimal text with at most six places.
		 * @throws InvalidArgumentException When it is none.
		 */
		public static function units( string $amount ): int {
			if ( ! preg_match( '/^([0-9]{1,12})(?:\.([0-9]{1,6})0*)?$/D', $amount, $part ) ) {
				throw new InvalidArgumentException( 'Not an amount.' );
			}
			return (int) ( $part[1] . str_pad( $part[2] ?? '', self::UNITS, '0' ) );
		}

		/**
		 * Write whole units as text with two to six places.
		 *
		 * @param int $units Units of 10^-6 USDT, not negative.
		 */
		public static function amount( int $units ): string {
			$digits = str_pad( (string) $units, self::UNITS + 1, '0', STR_PAD_LEFT );
			$places = rtrim( substr( $digits, -self::UNITS ), '0' );
			return substr( $digits, 0, -self::UNITS ) . '.' . str_pad( $places, 2, '0' );
		}

		/**
		 * Give a part of a sum, rounded down, by long division: the product may be larger than an integer.
		 *
		 * @param int $sum   Units.
		 * @param int $part  How much of the whole, not negative.
		 * @param int $whole At least 1.
		 */
		public static function share( int $sum, int $part, int $whole ): int {
			$share = 0;
			$rest  = 0;
			foreach ( str_split( decbin( $part ) ) as $bit ) {
				$rest   = 2 * $rest + ( '1' === $bit ? $sum % $whole : 0 );
				$share  = 2 * $share + ( '1' === $bit ? intdiv( $sum, $whole ) : 0 ) + intdiv( $rest, $whole );
				$rest  %= $whole;
			}
			return $share;
		}

		/**
		 * Send a request with PHP alone; redirects are not followed, certificates are checked.
		 *
		 * @param string $method  Method.
		 * @param string $url     Whole URL.
		 * @param array  $headers Header names and values.
		 * @param string $body    Raw bytes.
		 * @return array Status and body.
		 * @throws Paywharf_Error Unreachable.
		 */
		public static function send( string $method, string $url, array $headers, string $body ): array {
			$lines = array();
			foreach ( $headers as $name => $value ) {
				$lines[] = "$name: $value";
			}
			$context = stream_context_create(
				array(
					'http' => array(
						'method'          => $method,
						'header'          => $lines,
						'content'         => $body,
						'ignore_errors'   => true,
						'follow_location' => 0,
						'timeout'         => self::TIMEOUT_S,
					),
				)
			);
			$stream  = @fopen( $url, 'rb', false, $context ); // phpcs:ignore -- the warning is raised as an error below.
			if ( false === $stream ) {
				throw new Paywharf_Error( 'unreachable', 'The hub does not answer.' );
			}
			$lines  = stream_get_meta_data( $stream )['wrapper_data'];
			$answer = (string) stream_get_contents( $stream );
			fclose( $stream ); // phpcs:ignore WordPress.WP.AlternativeFunctions.file_system_operations_fclose -- no WordPress here.
			return array( (int) ( explode( ' ', (string) ( $lines[0] ?? '' ) )[1] ?? 0 ), $answer );
		}

		/**
		 * Read an answer; `ok` is checked first.
		 *
		 * @param int    $status HTTP status.
		 * @param string $text   Body.
		 * @throws Paywharf_Error The hub's word, or not_json.
		 */
		private static function read( int $status, string $text ): array {
			$answer = json_decode( $text, true );
			if ( ! is_array( $answer ) || ! isset( $answer['ok'] ) ) {
				throw new Paywharf_Error( 'not_json', "The hub's address answered with HTTP $status and no JSON of a hub.", $status ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
			}
			if ( true !== $answer['ok'] ) {
				throw new Paywharf_Error( (string) ( $answer['code'] ?? 'refused' ), (string) ( $answer['error'] ?? 'The hub said no.' ), $status ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
			}
			return $answer;
		}

		/**
		 * Take the payment out of an answer.
		 *
		 * @param array $answer The hub's.
		 * @throws Paywharf_Error Not_json.
		 */
		private function payment( array $answer ): array {
			if ( ! isset( $answer['payment']['payment_id'] ) ) {
				throw new Paywharf_Error( 'not_json', 'The hub answered without a payment.' );
			}
			return $answer['payment'];
		}

		/**
		 * Find whose secret made X-Signature: test, live or, for neither, an empty text.
		 *
		 * @param string $body    Raw bytes.
		 * @param array  $headers Plain headers.
		 * @param array  $secrets By name.
		 */
		private static function mode_signed( string $body, array $headers, array $secrets ): string {
			$given = strtolower( (string) ( $headers['x-signature'] ?? '' ) );
			foreach ( array( 'test', 'live' ) as $mode ) {
				foreach ( (array) ( $secrets[ $mode ] ?? array() ) as $secret ) {
					if ( '' !== $secret && hash_equals( self::sign( $body, $secret ), $given ) ) {
						return $mode;
					}
				}
			}
			return '';
		}

		/**
		 * Tell whether the Standard Webhooks signature fits; a fitting one with an old time is an error of its own.
		 *
		 * @param string $body    Raw bytes.
		 * @param array  $headers Plain headers.
		 * @param array  $secrets By name.
		 * @param int    $now     Unix time.
		 * @throws Paywharf_Error Clock_off.
		 */
		private static function is_standard( string $body, array $headers, array $secrets, int $now ): bool {
			$id    = (string) ( $headers['webhook-id'] ?? '' );
			$time  = (string) ( $headers['webhook-timestamp'] ?? '' );
			$given = explode( ' ', (string) ( $headers['webhook-signature'] ?? '' ) );
			if ( '' === $id || ! preg_match( '/^[0-9]{1,12}$/D', $time ) ) {
				return false;
			}
			foreach ( (array) ( $secrets['webhook'] ?? array() ) as $secret ) {
				$key    = base64_decode( (string) preg_replace( '/^whsec_/', '', $secret ), true ); // phpcs:ignore -- the published form of such secrets.
				$wanted = 'v1,' . base64_encode( hash_hmac( 'sha256', "$id.$time.$body", (string) $key, true ) ); // phpcs:ignore -- as above.
				foreach ( $given as $one ) {
					if ( '' !== (string) $key && hash_equals( $wanted, $one ) ) {
						self::require_fresh( (int) $time, $now );
						return true;
					}
				}
			}
			return false;
		}

		/**
		 * Refuse a signature that was made long ago, or by a clock far from ours.
		 *
		 * @param int $signed_at Unix time.
		 * @param int $now       Unix time.
		 * @throws Paywharf_Error Clock_off.
		 */
		private static function require_fresh( int $signed_at, int $now ): void {
			if ( abs( $now - $signed_at ) > self::TOLERANCE_S ) {
				$off = $now - $signed_at;
				throw new Paywharf_Error( 'clock_off', "The signature is $off seconds away from this server's clock: set the clock, or the call is a replay.", 401 ); // phpcs:ignore WordPress.Security.EscapeOutput.ExceptionNotEscaped -- escaped where shown.
			}
		}

		/**
		 * Give headers one spelling: lower case, hyphens, one text each.
		 *
		 * @param array $headers As the shop system has them.
		 */
		private static function plain_headers( array $headers ): array {
			$plain = array();
			foreach ( $headers as $name => $value ) {
				$name           = strtolower( str_replace( '_', '-', (string) $name ) );
				$plain[ $name ] = trim( (string) ( is_array( $value ) ? reset( $value ) : $value ) );
			}
			return $plain;
		}
	}
}
