<?php
/**
 * The payment method in the Checkout block.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

use Automattic\WooCommerce\Blocks\Payments\Integrations\AbstractPaymentMethodType;

/**
 * Tells the block which script shows the method, and hands it its words.
 */
final class Paywharf_Blocks extends AbstractPaymentMethodType {

	/**
	 * The method's id, the same as the gateway's.
	 *
	 * @var string
	 */
	protected $name = 'paywharf';

	/**
	 * Read the settings.
	 */
	public function initialize() {
		$this->settings = (array) get_option( Paywharf_Settings::OPTION, array() );
	}

	/**
	 * Tell whether the method is offered.
	 */
	public function is_active() {
		$gateway = self::gateway();
		return null !== $gateway && $gateway->is_available();
	}

	/**
	 * Name the script; it is plain JavaScript with no build step, and all its words come from get_payment_method_data().
	 */
	public function get_payment_method_script_handles() {
		wp_register_script(
			'paywharf-blocks',
			plugins_url( 'assets/blocks.js', PAYWHARF_FILE ),
			array( 'wc-blocks-registry', 'wc-settings', 'wp-element', 'wp-html-entities' ),
			PAYWHARF_VERSION,
			true
		);
		return array( 'paywharf-blocks' );
	}

	/**
	 * Hand the script its words.
	 */
	public function get_payment_method_data() {
		$gateway = self::gateway();
		return array(
			'title'       => null !== $gateway ? $gateway->get_title() : '',
			'description' => null !== $gateway ? $gateway->get_description() : '',
			'button'      => __( 'Pay with USDT', 'paywharf' ),
			'icon'        => plugins_url( 'assets/usdt.svg', PAYWHARF_FILE ),
			'supports'    => $this->get_supported_features(),
		);
	}

	/**
	 * List what the method can do.
	 */
	public function get_supported_features() {
		$gateway = self::gateway();
		return null !== $gateway ? array_values( array_filter( $gateway->supports, array( $gateway, 'supports' ) ) ) : array( 'products' );
	}

	/**
	 * Find the gateway.
	 */
	private static function gateway(): ?WC_Payment_Gateway {
		$all = WC()->payment_gateways()->payment_gateways();
		return $all[ Paywharf_Orders::METHOD ] ?? null;
	}
}
