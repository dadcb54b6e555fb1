<?php
/**
 * Orders and products, kept as posts as WooCommerce does without HPOS.
 *
 * @package PaywharfTests
 */

final class WC_Product {
	private $id;

	public function __construct( int $id ) {
		$this->id = $id;
	}
	public function get_id() {
		return $this->id;
	}
	public function get_stock_quantity() {
		return (int) get_post_meta( $this->id, '_stock', true );
	}
	public function get_price() {
		return get_post_meta( $this->id, '_price', true );
	}
}

final class WC_Order_Refund {
	private $id;

	public function __construct( int $id ) {
		$this->id = $id;
	}
	public function get_refunded_payment() {
		return '1' === get_post_meta( $this->id, '_refunded_payment', true );
	}
}

class WC_Order {
	const PROPS = array( 'total', 'currency', 'payment_method', 'order_key', 'transaction_id', 'date_paid', 'created_via', 'product_id', 'quantity', 'stock_reduced' );

	private $id     = 0;
	private $status = 'pending';
	private $before = null;
	private $props  = array();
	private $meta   = array();
	private $gone   = array();
	private $note   = '';

	public function __construct( int $id = 0 ) {
		$this->props = array_fill_keys( self::PROPS, '' );
		if ( 0 === $id ) {
			$this->props['currency']  = get_woocommerce_currency();
			$this->props['order_key'] = 'wc_order_' . wp_generate_password( 13, false );
			return;
		}
		$this->id     = $id;
		$this->status = substr( get_post_status( $id ), 3 );
		foreach ( get_post_meta( $id ) as $name => $values ) {
			$bare = substr( $name, 1 );
			if ( in_array( $bare, self::PROPS, true ) ) {
				$this->props[ $bare ] = $values[0];
			} else {
				$this->meta[ $name ] = maybe_unserialize( $values[0] );
			}
		}
	}

	public function get_id() {
		return $this->id;
	}
	public function get_order_number() {
		return (string) $this->id;
	}
	public function get_status() {
		return $this->status;
	}
	public function has_status( $status ) {
		return in_array( $this->status, (array) $status, true );
	}
	public function get_total() {
		return $this->props['total'];
	}
	public function set_total( $total ) {
		$this->props['total'] = wc_format_decimal( $total, wc_get_price_decimals() );
	}
	public function get_currency() {
		return $this->props['currency'];
	}
	public function set_currency( $currency ) {
		$this->props['currency'] = $currency;
	}
	public function get_payment_method() {
		return $this->props['payment_method'];
	}
	public function set_payment_method( $method ) {
		$this->props['payment_method'] = is_object( $method ) ? $method->id : $method;
	}
	public function set_created_via( $via ) {
		$this->props['created_via'] = $via;
	}
	public function get_created_via() {
		return $this->props['created_via'];
	}
	public function get_order_key() {
		return $this->props['order_key'];
	}
	public function get_transaction_id() {
		return $this->props['transaction_id'];
	}
	public function get_date_paid() {
		return '' !== $this->props['date_paid'] ? new DateTime( $this->props['date_paid'] ) : null;
	}
	public function add_product( WC_Product $product, int $quantity = 1 ) {
		$this->props['product_id'] = $product->get_id();
		$this->props['quantity']   = $quantity;
	}
	public function calculate_totals() {
		$this->set_total( ( new WC_Product( (int) $this->props['product_id'] ) )->get_price() * $this->props['quantity'] );
	}
	public function is_paid() {
		return $this->has_status( array( 'processing', 'completed' ) );
	}
	public function needs_payment() {
		return $this->has_status( array( 'pending', 'failed' ) ) && $this->get_total() > 0;
	}

	public function read_meta_data( $force = false ) {
	}
	public function get_meta( $key ) {
		return $this->meta[ $key ] ?? '';
	}
	public function update_meta_data( $key, $value ) {
		$this->meta[ $key ] = $value;
		unset( $this->gone[ $key ] );
	}
	public function delete_meta_data( $key ) {
		unset( $this->meta[ $key ] );
		$this->gone[ $key ] = true;
	}

	public function get_checkout_order_received_url() {
		return home_url( '/checkout/order-received/' . $this->id . '/?key=' . $this->get_order_key() );
	}
	public function get_checkout_payment_url() {
		return home_url( '/checkout/order-pay/' . $this->id . '/?pay_for_order=true&key=' . $this->get_order_key() );
	}
	public function get_edit_order_url() {
		return admin_url( 'post.php?post=' . $this->id . '&action=edit' );
	}

	public function add_order_note( $text, $is_told = 0 ) {
		return wp_insert_comment( array( 'comment_post_ID' => $this->id, 'comment_content' => $text, 'comment_type' => 'order_note', 'comment_approved' => 1, 'comment_agent' => 'WooCommerce', 'comment_meta' => $is_told ? array( 'is_customer_note' => 1 ) : array() ) );
	}

	public function set_status( $status, $note = '' ) {
		$status = preg_replace( '/^wc-/', '', $status );
		if ( $status !== $this->status ) {
			$this->before = null === $this->before ? $this->status : $this->before;
			$this->status = $status;
		}
		$this->note = $note;
		if ( $this->is_paid() && '' === $this->props['date_paid'] ) {
			$this->props['date_paid'] = gmdate( 'c' );
		}
	}
	public function update_status( $status, $note = '' ) {
		$this->set_status( $status, $note );
		$this->save();
		return true;
	}
	/** Acts from on-hold, pending, failed and cancelled only (WooCommerce 9.4.3 and 11.0.1). */
	public function payment_complete( $txid = '' ) {
		do_action( 'woocommerce_pre_payment_complete', $this->id, $txid );
		if ( $this->has_status( array( 'on-hold', 'pending', 'failed', 'cancelled' ) ) ) {
			if ( '' !== $txid ) {
				$this->props['transaction_id'] = $txid;
			}
			$this->props['date_paid'] = gmdate( 'c' );
			$this->set_status( apply_filters( 'woocommerce_payment_complete_order_status', 'processing', $this->id, $this ) );
			$this->save();
			do_action( 'woocommerce_payment_complete', $this->id, $txid );
		} else {
			do_action( 'woocommerce_payment_complete_order_status_' . $this->status, $this->id, $txid );
		}
		return true;
	}

	public function save() {
		$is_new = 0 === $this->id;
		if ( $is_new ) {
			$this->id = wp_insert_post( array( 'post_type' => 'shop_order', 'post_status' => 'wc-' . $this->status, 'post_title' => 'Order' ) );
		} elseif ( null !== $this->before ) {
			wp_update_post( array( 'ID' => $this->id, 'post_status' => 'wc-' . $this->status ) );
		}
		foreach ( $this->props as $name => $value ) {
			update_post_meta( $this->id, '_' . $name, $value );
		}
		foreach ( $this->meta as $name => $value ) {
			update_post_meta( $this->id, $name, $value );
		}
		foreach ( array_keys( $this->gone ) as $name ) {
			delete_post_meta( $this->id, $name );
		}
		do_action( $is_new ? 'woocommerce_new_order' : 'woocommerce_update_order', $this->id, $this );
		$this->moved();
		return $this->id;
	}

	private function moved() {
		if ( null === $this->before ) {
			return;
		}
		list( $before, $this->before ) = array( $this->before, null );
		$this->add_order_note( trim( $this->note . " Order status changed from $before to {$this->status}." ) );
		if ( $this->has_status( array( 'on-hold', 'processing', 'completed' ) ) ) {
			$this->reduce_stock();
		}
		if ( in_array( $before, array( 'pending', 'failed', 'cancelled', 'on-hold' ), true ) && $this->has_status( array( 'on-hold', 'processing' ) ) ) {
			wp_mail( 'buyer@shop.example', "Order {$this->id} is {$this->status}", '' );
		}
		do_action( 'woocommerce_order_status_' . $this->status, $this->id, $this );
		do_action( 'woocommerce_order_status_changed', $this->id, $before, $this->status, $this );
	}
	private function reduce_stock() {
		$product = (int) $this->props['product_id'];
		if ( 0 !== $product && 'yes' !== get_post_meta( $this->id, '_stock_reduced', true ) ) {
			update_post_meta( $product, '_stock', (int) get_post_meta( $product, '_stock', true ) - (int) $this->props['quantity'] );
			$this->props['stock_reduced'] = 'yes';
			update_post_meta( $this->id, '_stock_reduced', 'yes' );
		}
	}
}
