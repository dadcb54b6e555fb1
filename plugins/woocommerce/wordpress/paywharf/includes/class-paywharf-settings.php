<?php
/**
 * What the shop owner chose, read from one option; secrets may stand in wp-config.php instead.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Reads settings; only the gateway's form, connecting and the doctor write them.
 */
final class Paywharf_Settings {

	const OPTION  = 'woocommerce_paywharf_settings'; // WooCommerce's own name for a gateway with the id paywharf.
	const SECRETS = array( 'test_secret', 'live_secret', 'webhook_secret' );

	/**
	 * Read one setting; a constant such as PAYWHARF_LIVE_SECRET wins.
	 *
	 * @param string $name     Setting.
	 * @param string $fallback Without one.
	 */
	public static function get( string $name, string $fallback = '' ): string {
		$constant = 'PAYWHARF_' . strtoupper( $name );
		if ( defined( $constant ) ) {
			return (string) constant( $constant );
		}
		$stored = (array) get_option( self::OPTION, array() );
		return isset( $stored[ $name ] ) && '' !== $stored[ $name ] ? (string) $stored[ $name ] : $fallback;
	}

	/**
	 * Write some settings beside the others.
	 *
	 * @param array $changed By name.
	 */
	public static function set( array $changed ): void {
		update_option( self::OPTION, array_merge( (array) get_option( self::OPTION, array() ), $changed ) );
	}

	/**
	 * Tell the mode in which the shop sells: test or live.
	 */
	public static function mode(): string {
		return 'live' === self::get( 'mode', 'test' ) ? 'live' : 'test';
	}

	/**
	 * Tell whether there is a hub and a key pair for a mode.
	 *
	 * @param string $mode test or live.
	 */
	public static function has_keys( string $mode ): bool {
		return '' !== self::get( 'hub_url' ) && '' !== self::get( $mode . '_key' ) && '' !== self::get( $mode . '_secret' );
	}

	/**
	 * Give what webhooks may be signed with.
	 */
	public static function secrets(): array {
		return array_filter(
			array(
				'test'    => self::get( 'test_secret' ),
				'live'    => self::get( 'live_secret' ),
				'webhook' => self::get( 'webhook_secret' ),
			)
		);
	}

	/**
	 * Give the choices that decide what news does to an order.
	 */
	public static function rules(): array {
		$rules = array();
		foreach ( Paywharf_Rules::DEFAULTS as $name => $fallback ) {
			$rules[ $name ] = self::get( 'order_' . $name, $fallback );
		}
		return $rules;
	}

	/**
	 * Give the address that takes webhooks, as this site's permalinks make it.
	 */
	public static function webhook_url(): string {
		return rest_url( 'paywharf/v1/webhook' );
	}

	/**
	 * Give its twin for hosts that block the REST path.
	 */
	public static function webhook_url_twin(): string {
		return add_query_arg( 'wc-api', 'paywharf', home_url( '/' ) );
	}

	/**
	 * Give versions, for the hub and for whoever helps.
	 */
	public static function versions(): array {
		return array(
			'plugin'      => PAYWHARF_VERSION,
			'wordpress'   => get_bloginfo( 'version' ),
			'woocommerce' => defined( 'WC_VERSION' ) ? WC_VERSION : '',
			'php'         => PHP_VERSION,
		);
	}
}
