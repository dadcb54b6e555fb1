<?php
/**
 * Base class of gateways, with the settings API under it.
 *
 * @package PaywharfTests
 */

abstract class WC_Payment_Gateway {
	public $id = '';
	public $enabled = 'no';
	public $title = '';
	public $description = '';
	public $icon = '';
	public $has_fields = false;
	public $method_title = '';
	public $method_description = '';
	public $order_button_text = '';
	public $supports = array( 'products' );
	public $view_transaction_url = '';
	public $form_fields = array();
	public $settings = array();

	public function init_settings() {
		$stored         = get_option( 'woocommerce_' . $this->id . '_settings', null );
		$this->settings = is_array( $stored ) ? $stored : array_map( static function ( $field ) {
			return $field['default'] ?? '';
		}, $this->form_fields );
	}
	public function get_option( $key, $empty_value = null ) {
		if ( empty( $this->settings ) ) {
			$this->init_settings();
		}
		if ( ! isset( $this->settings[ $key ] ) ) {
			$this->settings[ $key ] = $this->form_fields[ $key ]['default'] ?? '';
		}
		return '' === $this->settings[ $key ] && null !== $empty_value ? $empty_value : $this->settings[ $key ];
	}
	public function get_field_key( $key ) {
		return 'woocommerce_' . $this->id . '_' . $key;
	}
	public function is_available() {
		return 'yes' === $this->enabled;
	}
	public function get_title() {
		return apply_filters( 'woocommerce_gateway_title', $this->title, $this->id );
	}
	public function get_description() {
		return apply_filters( 'woocommerce_gateway_description', $this->description, $this->id );
	}
	public function supports( $feature ) {
		return in_array( $feature, $this->supports, true );
	}
	public function get_return_url( $order = null ) {
		return $order ? $order->get_checkout_order_received_url() : home_url( '/' );
	}
	public function get_transaction_url( $order ) {
		return sprintf( $this->view_transaction_url, $order->get_transaction_id() );
	}
	public function get_form_fields() {
		return $this->form_fields;
	}

	public function process_admin_options() {
		$this->init_settings();
		foreach ( $this->form_fields as $key => $field ) {
			if ( 'title' !== $field['type'] ) {
				$this->settings[ $key ] = $this->field_value( $key, $field['type'] );
			}
		}
		return update_option( 'woocommerce_' . $this->id . '_settings', $this->settings );
	}
	private function field_value( $key, $type ) {
		$value = isset( $_POST[ $this->get_field_key( $key ) ] ) ? wp_unslash( $_POST[ $this->get_field_key( $key ) ] ) : null;
		foreach ( array( "validate_{$key}_field", "validate_{$type}_field" ) as $method ) {
			if ( is_callable( array( $this, $method ) ) ) {
				return $this->$method( $key, $value );
			}
		}
		return 'checkbox' === $type ? ( null === $value ? 'no' : 'yes' ) : trim( (string) $value );
	}

	public function admin_options() {
		echo '<h2>' . esc_html( $this->method_title ) . '</h2>' . wp_kses_post( wpautop( $this->method_description ) );
		echo '<table class="form-table">';
		foreach ( $this->form_fields as $key => $field ) {
			$method = "generate_{$field['type']}_html";
			echo is_callable( array( $this, $method ) ) ? $this->$method( $key, $field ) : '<tr><th>' . esc_html( $field['title'] ) . '</th><td><input name="' . esc_attr( $this->get_field_key( $key ) ) . '" value="' . esc_attr( $this->get_option( $key ) ) . '"></td></tr>';
		}
		echo '</table>';
	}
}

final class WC_Admin_Settings {
	public static $errors = array();

	public static function add_error( $text ) {
		self::$errors[] = $text;
	}
	public static function add_message( $text ) {
	}
}
