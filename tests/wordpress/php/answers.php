<?php
/**
 * Ask pure parts of the plugin many questions at once: JSON in, JSON out, no WordPress.
 *
 * @package PaywharfTests
 */

define( 'PAYWHARF_BARE', true );
$plugin = $argv[1];
require $plugin . '/client/class-paywharf-client.php';
require $plugin . '/includes/class-paywharf-rules.php';
$answers = array();
foreach ( json_decode( stream_get_contents( STDIN ), true ) as $asked ) {
	try {
		$answers[] = array( 'value' => call_user_func_array( $asked['call'], $asked['given'] ) );
	} catch ( Paywharf_Error $error ) {
		$answers[] = array( 'error' => $error->word(), 'status' => $error->http_status() );
	} catch ( InvalidArgumentException $error ) {
		$answers[] = array( 'error' => 'invalid' );
	}
}
echo json_encode( $answers );
