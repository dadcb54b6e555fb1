<?php
/**
 * The payment method as WooCommerce sees it.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Gateway: settings, availability, and the way to the hub's payment page.
 */
final class Paywharf_Gateway extends WC_Payment_Gateway {

	/**
	 * Set up; reads settings only.
	 */
	public function __construct() {
		$this->id                 = Paywharf_Orders::METHOD;
		$this->has_fields         = false;
		$this->icon               = plugins_url( 'assets/usdt.svg', PAYWHARF_FILE );
		$this->method_title       = __( 'USDT (TRC20) by Paywharf', 'paywharf' );
		$this->method_description = __( 'Customers pay in USDT on TRON, on the page of your own Paywharf hub. The coins go straight to your address.', 'paywharf' );
		$this->order_button_text  = __( 'Pay with USDT', 'paywharf' );
		$this->supports           = array( 'products', 'refunds' );
		$this->view_transaction_url = 'https://tronscan.org/#/transaction/%s';
		$this->init_form_fields();
		$this->init_settings();
		$this->enabled     = $this->get_option( 'enabled', 'no' );
		$this->title       = $this->get_option( 'title', __( 'USDT (TRC20)', 'paywharf' ) );
		$this->description = $this->get_option( 'description', __( 'Pay with USDT on the TRON network.', 'paywharf' ) );
		if ( 'test' === Paywharf_Settings::mode() ) {
			$this->description .= ' ' . __( 'Test mode: no coins move.', 'paywharf' );
		}
		add_action( 'woocommerce_update_options_payment_gateways_' . $this->id, array( $this, 'process_admin_options' ) );
	}

	/**
	 * List the settings.
	 */
	public function init_form_fields(): void {
		$this->form_fields = Paywharf_Form::fields();
	}

	/**
	 * Offer the method only where it can work: connected, and with a currency that the hub has a rate for.
	 */
	public function is_available(): bool {
		return parent::is_available() && Paywharf_Settings::has_keys( Paywharf_Settings::mode() ) && ! Paywharf_Hub::refuses_currency( self::currency() );
	}

	/**
	 * Open the payment and send the buyer to it. Blocks, classic checkout and the pay-for-order page all come here.
	 *
	 * @param int $order_id Order.
	 * @return array Result and where to go, or a message.
	 */
	public function process_payment( $order_id ): array {
		$order = wc_get_order( $order_id );
		try {
			$url = Paywharf_Orders::open( $order );
		} catch ( RuntimeException $error ) {
			$said = self::sentence( $error instanceof Paywharf_Error ? $error->word() : '', $order->get_currency() );
			wc_add_notice( $said, 'error' );
			return array(
				'result'  => 'failure',
				'message' => $said,
			);
		}
		return array(
			'result'   => 'success',
			'redirect' => $url,
		);
	}

	/**
	 * Offer WooCommerce's refund button only where the hub can send something back.
	 *
	 * @param WC_Order $order Order.
	 */
	public function can_refund_order( $order ): bool {
		return $order instanceof WC_Order && Paywharf_Refunds::can_refund( $order );
	}

	/**
	 * Refund an order.
	 *
	 * @param int         $order_id Order.
	 * @param string|null $amount   In the order's currency.
	 * @param string      $reason   For WooCommerce's own list.
	 * @return bool|WP_Error
	 */
	public function process_refund( $order_id, $amount = null, $reason = '' ) {
		$order = wc_get_order( $order_id );
		return $order instanceof WC_Order ? Paywharf_Refunds::by_button( $order, (string) $amount ) : false;
	}

	/**
	 * Link a transaction to a block explorer; a test payment has none.
	 *
	 * @param WC_Order $order Order.
	 */
	public function get_transaction_url( $order ) {
		return preg_match( '/^[0-9a-f]{64}$/D', (string) $order->get_transaction_id() ) ? parent::get_transaction_url( $order ) : '';
	}

	/**
	 * Tell WooCommerce's list of payment methods that there is something to set up.
	 */
	public function needs_setup(): bool {
		return ! Paywharf_Settings::has_keys( Paywharf_Settings::mode() );
	}

	/**
	 * Tell it whether a hub is connected.
	 */
	public function is_account_connected(): bool {
		return ! $this->needs_setup();
	}

	/**
	 * Tell it whether to show the test badge.
	 */
	public function is_in_test_mode(): bool {
		return 'test' === Paywharf_Settings::mode();
	}

	/**
	 * Show the settings, with the way to connect and the doctor above them.
	 */
	public function admin_options(): void {
		Paywharf_Admin::show_above_settings();
		parent::admin_options();
	}

	/**
	 * Write a secret's field: it never shows what is stored.
	 *
	 * @param string $key  Setting.
	 * @param array  $data Field.
	 */
	public function generate_paywharf_secret_html( $key, $data ): string {
		$has = '' !== Paywharf_Settings::get( $key );
		return sprintf(
			'<tr valign="top"><th scope="row" class="titledesc"><label for="%1$s">%2$s</label></th><td class="forminp"><input class="input-text regular-input" type="password" autocomplete="new-password" name="%1$s" id="%1$s" value="" placeholder="%3$s" /></td></tr>',
			esc_attr( $this->get_field_key( $key ) ),
			esc_html( $data['title'] ),
			esc_attr( $has ? __( 'stored; leave empty to keep it', 'paywharf' ) : '' )
		);
	}

	/**
	 * Keep a stored secret when its field was left empty.
	 *
	 * @param string      $key   Setting.
	 * @param string|null $value As sent.
	 */
	public function validate_paywharf_secret_field( $key, $value ): string {
		$value = preg_replace( '/\s+/', '', (string) $value );
		return '' !== $value ? (string) preg_replace( '/[^\x21-\x7e]/', '', $value ) : (string) $this->get_option( $key );
	}

	/**
	 * Keep the hub's address without a slash at its end, and only if it is one.
	 *
	 * @param string      $key   Setting.
	 * @param string|null $value As sent.
	 */
	public function validate_hub_url_field( $key, $value ): string {
		$url = rtrim( esc_url_raw( trim( (string) $value ), array( 'https', 'http' ) ), '/' );
		if ( '' === $url && '' !== trim( (string) $value ) ) {
			WC_Admin_Settings::add_error( __( 'The address of the hub must look like https://pay.example.com.', 'paywharf' ) );
			return (string) $this->get_option( $key );
		}
		return $url;
	}

	/**
	 * Forget what was refused and what was in trouble: the settings are new.
	 */
	public function process_admin_options(): bool {
		$saved = parent::process_admin_options();
		delete_option( Paywharf_Hub::TROUBLES );
		delete_transient( 'paywharf_no_' . strtolower( get_woocommerce_currency() ) );
		return (bool) $saved;
	}

	/**
	 * Tell the currency that is being paid in: the order's on its own page, else the shop's.
	 */
	private static function currency(): string {
		$order_id = function_exists( 'get_query_var' ) ? absint( get_query_var( 'order-pay' ) ) : 0;
		$order    = $order_id ? wc_get_order( $order_id ) : null;
		return $order instanceof WC_Order ? $order->get_currency() : get_woocommerce_currency();
	}

	/**
	 * Say to a buyer what went wrong; the shop owner has the exact reason in a notice and in the log.
	 *
	 * @param string $word     Stable word.
	 * @param string $currency The order's.
	 */
	private static function sentence( string $word, string $currency ): string {
		if ( Paywharf_Hub::is_about_currency( $word, $currency ) ) {
			return __( 'USDT cannot be used for this currency right now. Please choose another payment method.', 'paywharf' );
		}
		if ( in_array( $word, array( 'transfer_underway', 'order_holds_funds' ), true ) ) {
			return __( 'USDT for this order have arrived or are on their way. Please do not pay again; write to us if it lasts.', 'paywharf' );
		}
		return __( 'The USDT payment service cannot be reached right now. Your order is kept: please try again in a few minutes, or choose another payment method.', 'paywharf' );
	}
}
