<?php
/**
 * Router for `php -S`: files as they are, everything else by WordPress.
 *
 * @package PaywharfTests
 */

$path = $_SERVER['DOCUMENT_ROOT'] . parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
if ( is_file( $path ) && '.php' !== substr( $path, -4 ) ) {
	return false;
}
if ( is_dir( $path ) && is_file( rtrim( $path, '/' ) . '/index.php' ) && '/' !== parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH ) ) {
	$path = rtrim( $path, '/' ) . '/index.php';
}
if ( is_file( $path ) ) {
	$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = substr( $path, strlen( $_SERVER['DOCUMENT_ROOT'] ) );
	chdir( dirname( $path ) );
	require $path;
	return true;
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/index.php';
require $_SERVER['DOCUMENT_ROOT'] . '/index.php';
