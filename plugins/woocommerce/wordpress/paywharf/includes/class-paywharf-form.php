<?php
/**
 * The settings form's fields.
 *
 * @package Paywharf
 */

defined( 'ABSPATH' ) || exit;

/**
 * Lists what the shop owner can choose.
 */
final class Paywharf_Form {

	/**
	 * List all fields by name.
	 */
	public static function fields(): array {
		return self::appearance() + self::connection() + self::order_states() + self::rest();
	}

	/**
	 * What buyers see.
	 */
	private static function appearance(): array {
		return array(
			'enabled'     => self::box( __( 'Enable', 'paywharf' ), __( 'Offer USDT at the checkout', 'paywharf' ) ),
			'title'       => self::text( __( 'Title', 'paywharf' ), __( 'USDT (TRC20)', 'paywharf' ) ),
			'description' => array(
				'title'   => __( 'Description', 'paywharf' ),
				'type'    => 'textarea',
				'default' => __( 'Pay with USDT on the TRON network.', 'paywharf' ),
			),
		);
	}

	/**
	 * Which hub, with which keys.
	 */
	private static function connection(): array {
		return array(
			'connection'     => array(
				'title'       => __( 'Connection', 'paywharf' ),
				'type'        => 'title',
				'description' => __( 'Connecting with a link fills these in. They can also be copied from the hub by hand.', 'paywharf' ),
			),
			'mode'           => self::choice(
				__( 'Mode', 'paywharf' ),
				'test',
				array(
					'test' => __( 'Test: no coins move', 'paywharf' ),
					'live' => __( 'Live: real money', 'paywharf' ),
				)
			),
			'hub_url'        => self::text( __( 'Address of the hub', 'paywharf' ) ),
			'test_key'       => self::text( __( 'Test key', 'paywharf' ) ),
			'test_secret'    => self::secret( __( 'Test secret', 'paywharf' ) ),
			'live_key'       => self::text( __( 'Live key', 'paywharf' ) ),
			'live_secret'    => self::secret( __( 'Live secret', 'paywharf' ) ),
			'webhook_secret' => self::secret( __( 'Webhook secret', 'paywharf' ) ),
		);
	}

	/**
	 * What news does to orders.
	 */
	private static function order_states(): array {
		$status = wc_get_order_statuses();
		$leave  = __( 'Leave it as it is', 'paywharf' );
		return array(
			'order_states'    => array(
				'title' => __( 'What happens to an order', 'paywharf' ),
				'type'  => 'title',
			),
			'order_seen'      => self::choice( __( 'Transfer seen, not final', 'paywharf' ), 'on-hold', self::statuses( $status, array( 'on-hold' ) ) + array( 'none' => $leave ) ),
			'order_underpaid' => self::choice( __( 'Too little, time is over', 'paywharf' ), 'on-hold', self::statuses( $status, array( 'on-hold', 'failed' ) ) + array( 'none' => $leave ) ),
			'order_expired'   => self::choice( __( 'Nothing came, time is over', 'paywharf' ), 'cancelled', self::statuses( $status, array( 'cancelled', 'failed' ) ) + array( 'none' => $leave ) ),
			'order_canceled'  => self::choice( __( 'Customer canceled the payment', 'paywharf' ), 'pending', self::statuses( $status, array( 'pending', 'cancelled', 'failed' ) ) ),
			'order_late'      => self::choice( __( 'Money came too late', 'paywharf' ), 'on-hold', self::statuses( $status, array( 'on-hold' ) ) + array( 'none' => $leave ) ),
			'order_reopen'    => self::box( __( 'Paid after cancel', 'paywharf' ), __( 'Reopen a cancelled or failed order when its payment is final (its stock may be gone)', 'paywharf' ) ),
		);
	}

	/**
	 * The rest.
	 */
	private static function rest(): array {
		return array(
			'other'       => array(
				'title' => __( 'Other', 'paywharf' ),
				'type'  => 'title',
			),
			'debug'       => self::box( __( 'Log', 'paywharf' ), __( 'Write details to the log (WooCommerce, Status, Logs)', 'paywharf' ) ),
			'remove_data' => self::box( __( 'Removal', 'paywharf' ), __( 'Also remove the payment details kept with orders when the plugin is deleted', 'paywharf' ) ),
		);
	}

	/**
	 * Pick statuses with WooCommerce's own names.
	 *
	 * @param array $known  All, with the wc- prefix.
	 * @param array $wanted Without it.
	 */
	private static function statuses( array $known, array $wanted ): array {
		$picked = array();
		foreach ( $wanted as $status ) {
			$picked[ $status ] = (string) ( $known[ 'wc-' . $status ] ?? $status );
		}
		return $picked;
	}

	/**
	 * A line of text.
	 *
	 * @param string $title   Title.
	 * @param string $default What stands without a choice.
	 */
	private static function text( string $title, string $default = '' ): array {
		return array(
			'title'   => $title,
			'type'    => 'text',
			'default' => $default,
		);
	}

	/**
	 * A secret.
	 *
	 * @param string $title Title.
	 */
	private static function secret( string $title ): array {
		return array(
			'title'   => $title,
			'type'    => 'paywharf_secret',
			'default' => '',
		);
	}

	/**
	 * A box to tick.
	 *
	 * @param string $title Title.
	 * @param string $label Label.
	 */
	private static function box( string $title, string $label ): array {
		return array(
			'title'   => $title,
			'type'    => 'checkbox',
			'label'   => $label,
			'default' => 'no',
		);
	}

	/**
	 * A choice.
	 *
	 * @param string $title   Title.
	 * @param string $default What stands without a choice.
	 * @param array  $options Words by value.
	 */
	private static function choice( string $title, string $default, array $options ): array {
		return array(
			'title'   => $title,
			'type'    => 'select',
			'default' => $default,
			'options' => $options,
		);
	}
}
