<?php
/**
 * Boot the whole site under any PHP as a request for its settings would, and tell what was complained about in the plugin.
 *
 * @package PaywharfTests
 */

$complaints = array();
set_error_handler(
	static function ( $kind, $text, $file, $line ) use ( &$complaints ) {
		$complaints[] = "$file:$line $text";
		return true;
	}
);
$_SERVER += array( 'HTTP_HOST' => 'boot.example', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET' );
$_SERVER['REQUEST_URI'] = '/';
require getenv( 'SITE_DIR' ) . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once WP_PLUGIN_DIR . '/paywharf/includes/class-paywharf-blocks.php';
foreach ( glob( WP_PLUGIN_DIR . '/paywharf/includes/*.php' ) as $file ) {
	require_once $file;
}
$gateway = WC()->payment_gateways()->payment_gateways()['paywharf'];
ob_start();
$gateway->admin_options();
Paywharf_Admin::show_troubles();
$page = ob_get_clean();
$blocks = new Paywharf_Blocks();
$blocks->initialize();
$ours = array_values( array_filter( $complaints, static function ( $one ) {
	return false !== strpos( $one, '/paywharf/' );
} ) );
echo "\nBOOTED " . json_encode(
	array(
		'php'        => PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION,
		'title'      => $gateway->get_title(),
		'blocks'     => $blocks->get_payment_method_data()['title'],
		'form'       => strlen( $page ) > 1000,
		'signature'  => Paywharf_Client::sign( 'body', 'secret' ),
		'complaints' => $ours,
	)
);
