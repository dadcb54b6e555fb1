<?php
/**
 * What the shop owner sees beside the settings: troubles, an order's payment, and why the method is hidden.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Notices and the box on an order's page.
 */
final class Paywharf_Admin {

	/**
	 * Hook in.
	 */
	public static function register(): void {
		add_action( 'admin_notices', array( __CLASS__, 'show_troubles' ) );
		add_action( 'add_meta_boxes', array( __CLASS__, 'add_box' ) );
		add_action( 'admin_post_paywharf_ask', array( __CLASS__, 'ask_now' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( PAYWHARF_FILE ), array( __CLASS__, 'add_settings_link' ) );
	}

	/**
	 * Give the address of the settings.
	 */
	public static function settings_url(): string {
		return admin_url( 'admin.php?page=wc-settings&tab=checkout&section=paywharf' );
	}

	/**
	 * Put a link to the settings into the list of plugins.
	 *
	 * @param array $links Links.
	 */
	public static function add_settings_link( $links ): array {
		array_unshift( $links, sprintf( '<a href="%s">%s</a>', esc_url( self::settings_url() ), esc_html__( 'Settings', 'paywharf' ) ) );
		return $links;
	}

	/**
	 * Show troubles to whoever runs the shop, with their cause and what helps.
	 */
	public static function show_troubles(): void {
		if ( ! current_user_can( 'manage_woocommerce' ) ) {
			return;
		}
		foreach ( Paywharf_Hub::troubles() as $trouble ) {
			printf(
				'<div class="notice notice-error"><p><strong>Paywharf:</strong> %s <a href="%s">%s</a></p></div>',
				esc_html( self::cause( (string) $trouble['word'], (string) $trouble['said'] ) ),
				esc_url( self::settings_url() ),
				esc_html__( 'Settings', 'paywharf' )
			);
		}
		if ( Paywharf_Hub::refuses_currency( get_woocommerce_currency() ) ) {
			/* translators: %s: currency code */
			printf( '<div class="notice notice-warning"><p><strong>Paywharf:</strong> %s</p></div>', esc_html( sprintf( __( 'The hub has no rate for %s, so USDT is not offered at the checkout. It is tried again every hour.', 'paywharf' ), get_woocommerce_currency() ) ) );
		}
	}

	/**
	 * Say what causes a trouble.
	 *
	 * @param string $word Stable word.
	 * @param string $said The hub's or our sentence.
	 */
	public static function cause( string $word, string $said ): string {
		$known = array(
			'signature_wrong'      => __( 'A webhook with a wrong signature was refused. Most likely the secrets here are not those of the hub: connect again.', 'paywharf' ),
			'wrong_mode'           => __( 'A webhook was signed with the keys of the other mode: the test and live secrets are mixed up.', 'paywharf' ),
			'clock_off'            => __( 'The clocks of this server and of the hub differ by more than five minutes: set the clock.', 'paywharf' ),
			'invalid_timestamp'    => __( 'The clocks of this server and of the hub differ by more than five minutes: set the clock.', 'paywharf' ),
			'invalid_signature'    => __( 'The hub refuses the secret: connect again.', 'paywharf' ),
			'invalid_api_key'      => __( 'The hub does not know the key: connect again.', 'paywharf' ),
			'project_in_test_mode' => __( 'The project is in Test mode at the hub, and the shop sells in live mode.', 'paywharf' ),
			'success_url_mismatch' => __( 'The address of this shop is not the project\'s website at the hub.', 'paywharf' ),
			'fail_url_mismatch'    => __( 'The address of this shop is not the project\'s website at the hub.', 'paywharf' ),
			'unreachable'          => __( 'The hub does not answer.', 'paywharf' ),
			'not_json'             => __( 'Something else than the hub answers at its address: a firewall, a login page, or another program.', 'paywharf' ),
		);
		return isset( $known[ $word ] ) ? $known[ $word ] . ' (' . $said . ')' : $said;
	}

	/**
	 * Show what stands above the settings.
	 */
	public static function show_above_settings(): void {
		Paywharf_Connect::show();
		printf( '<p>%s <code>%s</code><br>%s <code>%s</code></p>', esc_html__( 'Webhook address:', 'paywharf' ), esc_html( Paywharf_Settings::webhook_url() ), esc_html__( 'If the host blocks that one:', 'paywharf' ), esc_html( Paywharf_Settings::webhook_url_twin() ) );
		Paywharf_Doctor::show();
	}

	/**
	 * Add the box to orders of ours, with and without HPOS.
	 */
	public static function add_box(): void {
		$screens = array( 'shop_order', function_exists( 'wc_get_page_screen_id' ) ? wc_get_page_screen_id( 'shop-order' ) : 'shop_order' );
		foreach ( array_unique( $screens ) as $screen ) {
			add_meta_box( 'paywharf', __( 'USDT payment', 'paywharf' ), array( __CLASS__, 'show_box' ), $screen, 'side' );
		}
	}

	/**
	 * Show an order's payment.
	 *
	 * @param WP_Post|WC_Order $subject What the screen is about.
	 */
	public static function show_box( $subject ): void {
		$order = $subject instanceof WC_Order ? $subject : wc_get_order( $subject->ID );
		if ( ! $order instanceof WC_Order || array() === Paywharf_Orders::payments_of( $order ) ) {
			echo '<p>' . esc_html__( 'This order has no USDT payment.', 'paywharf' ) . '</p>';
			return;
		}
		$ask = wp_nonce_url( admin_url( 'admin-post.php?action=paywharf_ask&order=' . $order->get_id() ), 'paywharf_ask' );
		printf(
			'<p>%s <strong>%s</strong><br>%s USDT<br><code style="word-break:break-all">%s</code></p><p><a href="%s">%s</a> · <a href="%s">%s</a></p>',
			esc_html( $order->get_meta( '_paywharf_payment_id' ) ),
			esc_html( $order->get_meta( '_paywharf_state' ) ),
			esc_html( $order->get_meta( '_paywharf_amount' ) ),
			esc_html( $order->get_meta( '_paywharf_txid' ) ),
			esc_url( $order->get_meta( '_paywharf_payment_url' ) ),
			esc_html__( 'Payment page', 'paywharf' ),
			esc_url( $ask ),
			esc_html__( 'Ask the hub now', 'paywharf' )
		);
		echo Paywharf_Refunds::action( $order ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped there.
	}

	/**
	 * Ask the hub about one order, and go back to it.
	 */
	public static function ask_now(): void {
		check_admin_referer( 'paywharf_ask' );
		$order = wc_get_order( absint( $_GET['order'] ?? 0 ) );
		if ( ! current_user_can( 'edit_shop_orders' ) || ! $order instanceof WC_Order ) {
			wp_die( esc_html__( 'You may not do that.', 'paywharf' ), '', array( 'response' => 403 ) );
		}
		try {
			Paywharf_Orders::refresh( $order );
			Paywharf_Hub::well( 'order' );
		} catch ( RuntimeException $error ) {
			Paywharf_Hub::trouble( 'order', $error instanceof Paywharf_Error ? $error->word() : 'not_booked', $error->getMessage() );
		}
		wp_safe_redirect( $order->get_edit_order_url() );
		exit;
	}
}
