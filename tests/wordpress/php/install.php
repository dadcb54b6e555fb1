<?php
/**
 * Install WordPress, the shop and the plugin's zip, as an administrator's clicks would: php install.php <zip>.
 *
 * @package PaywharfTests
 */

define( 'WP_INSTALLING', true );
$_SERVER += array( 'HTTP_HOST' => getenv( 'SITE_HOST' ), 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/' );
require getenv( 'SITE_DIR' ) . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'Quay Goods', 'owner', 'owner@shop.example', false, '', 'owner-password' );
update_option( 'permalink_structure', '/%postname%/' );
update_option( 'woocommerce_currency', 'USDT' );
update_option( 'woocommerce_coming_soon', 'no' );
