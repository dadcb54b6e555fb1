<?php
/**
 * What a buyer sees of an unpaid order: the link to pay, "waiting" on the success page, and a way back that works.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Pages, mails and the route of the way back. Nothing here ever completes an order because of a page view alone.
 */
final class Paywharf_Pages {

	const ASK_AGAIN_S = 10; // At most one question to the hub per order in this time, however often a page is reloaded.

	/**
	 * Hook in.
	 */
	public static function register(): void {
		add_action( 'woocommerce_api_paywharf_return', array( __CLASS__, 'serve_return' ) );
		add_action( 'woocommerce_api_paywharf_state', array( __CLASS__, 'serve_state' ) );
		add_action( 'woocommerce_thankyou_' . Paywharf_Orders::METHOD, array( __CLASS__, 'show_thank_you' ) );
		add_action( 'woocommerce_order_details_after_order_table', array( __CLASS__, 'show_in_account' ) );
		add_action( 'woocommerce_email_before_order_table', array( __CLASS__, 'show_in_mail' ), 10, 3 );
	}

	/**
	 * Make the address to which the hub sends a buyer who did not pay; it decides only then what to show.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function fail_url( WC_Order $order ): string {
		return self::url( 'paywharf_return', $order );
	}

	/**
	 * Send a buyer who comes back unpaid to a page that is of use: pay again, or see the order, or the cart.
	 */
	public static function serve_return(): void {
		$order = self::asked_for();
		if ( null === $order ) {
			wp_safe_redirect( wc_get_cart_url() );
		} elseif ( $order->needs_payment() ) {
			wp_safe_redirect( $order->get_checkout_payment_url() );
		} elseif ( $order->has_status( array( 'processing', 'completed', 'on-hold', 'refunded' ) ) ) {
			wp_safe_redirect( $order->get_checkout_order_received_url() );
		} else {
			wc_add_notice( __( 'This order was cancelled. If you have paid, write to us; otherwise please order again.', 'paywharf' ), 'notice' );
			wp_safe_redirect( wc_get_cart_url() );
		}
		exit;
	}

	/**
	 * Tell a waiting success page how its order stands.
	 */
	public static function serve_state(): void {
		$order = self::asked_for();
		if ( null === $order ) {
			wp_send_json( array( 'ok' => false ), 404 );
		}
		self::ask_hub( $order );
		$order = wc_get_order( $order->get_id() );
		wp_send_json(
			array(
				'ok'      => true,
				'waiting' => Paywharf_Orders::is_open( $order ),
				'status'  => $order->get_status(),
			)
		);
	}

	/**
	 * Show on the success page whether the money has come.
	 *
	 * @param int $order_id Order.
	 */
	public static function show_thank_you( $order_id ): void {
		$order = wc_get_order( $order_id );
		if ( ! $order instanceof WC_Order || ! Paywharf_Orders::is_open( $order ) ) {
			return;
		}
		self::ask_hub( $order );
		$order = wc_get_order( $order_id );
		if ( ! Paywharf_Orders::is_open( $order ) ) {
			return;
		}
		wp_enqueue_script( 'paywharf-waiting', plugins_url( 'assets/waiting.js', PAYWHARF_FILE ), array(), PAYWHARF_VERSION, true );
		wp_add_inline_script( 'paywharf-waiting', 'window.paywharfState = ' . wp_json_encode( self::url( 'paywharf_state', $order ) ) . ';', 'before' );
		echo '<div class="woocommerce-info paywharf-waiting" role="status"><p>' . esc_html( self::waiting_text( $order ) ) . '</p><p>' . self::pay_link( $order ) . '</p></div>'; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped in pay_link().
	}

	/**
	 * Show the payment link under an open order in the customer's account.
	 *
	 * @param WC_Order $order Order.
	 */
	public static function show_in_account( $order ): void {
		if ( $order instanceof WC_Order && Paywharf_Orders::is_open( $order ) && ! is_order_received_page() ) {
			echo '<p class="paywharf-pay">' . self::pay_link( $order ) . '</p>'; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped in pay_link().
		}
	}

	/**
	 * Put the payment link into the customer's mails about an unpaid order.
	 *
	 * @param WC_Order $order         Order.
	 * @param bool     $sent_to_admin Whether it goes to the shop.
	 * @param bool     $plain_text    Whether it is plain text.
	 */
	public static function show_in_mail( $order, $sent_to_admin = false, $plain_text = false ): void {
		if ( $sent_to_admin || ! $order instanceof WC_Order || ! Paywharf_Orders::is_open( $order ) || 'pending' !== $order->get_status() ) {
			return;
		}
		if ( $plain_text ) {
			echo esc_html__( 'Pay with USDT:', 'paywharf' ) . ' ' . esc_url_raw( $order->get_meta( '_paywharf_payment_url' ) ) . "\n\n";
		} else {
			echo '<p>' . self::pay_link( $order ) . '</p>'; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped in pay_link().
		}
	}

	/**
	 * Ask the hub how an open order stands, but not at every page view.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function ask_hub( WC_Order $order ): void {
		$key = 'paywharf_asked_' . $order->get_id();
		if ( ! Paywharf_Orders::is_open( $order ) || false !== get_transient( $key ) ) {
			return;
		}
		set_transient( $key, 1, self::ASK_AGAIN_S );
		try {
			Paywharf_Orders::refresh( $order );
		} catch ( RuntimeException $error ) {
			Paywharf_Hub::log( 'page: ' . $error->getMessage(), 'debug' ); // The webhook will tell.
		}
	}

	/**
	 * Say what is being waited for.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function waiting_text( WC_Order $order ): string {
		return 'confirming' === $order->get_meta( '_paywharf_state' )
			? __( 'Your transfer was seen and is being confirmed. This page tells you when it is final.', 'paywharf' )
			: __( 'We are waiting for your payment. This page tells you when it has arrived.', 'paywharf' );
	}

	/**
	 * Write the link to the payment page.
	 *
	 * @param WC_Order $order Order.
	 */
	private static function pay_link( WC_Order $order ): string {
		return sprintf( '<a class="button wp-element-button" href="%s">%s</a>', esc_url( $order->get_meta( '_paywharf_payment_url' ) ), esc_html__( 'Open the payment page', 'paywharf' ) );
	}

	/**
	 * Make an address of ours about an order.
	 *
	 * @param string   $route Name.
	 * @param WC_Order $order Order.
	 */
	private static function url( string $route, WC_Order $order ): string {
		return add_query_arg(
			array(
				'wc-api' => $route,
				'order'  => $order->get_id(),
				'key'    => $order->get_order_key(),
			),
			home_url( '/' )
		);
	}

	/**
	 * Find the order that an address names, if its key fits.
	 */
	private static function asked_for(): ?WC_Order {
		// phpcs:disable WordPress.Security.NonceVerification.Recommended -- the order's own key authorises, as on WooCommerce's pages.
		$order = wc_get_order( absint( $_GET['order'] ?? 0 ) );
		$key   = sanitize_text_field( wp_unslash( $_GET['key'] ?? '' ) );
		// phpcs:enable
		return $order instanceof WC_Order && Paywharf_Orders::METHOD === $order->get_payment_method() && hash_equals( $order->get_order_key(), $key ) ? $order : null;
	}
}
