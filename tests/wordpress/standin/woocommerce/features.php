<?php
/**
 * Classes that live in WooCommerce's namespaces.
 *
 * @package PaywharfTests
 */

namespace Automattic\WooCommerce\Utilities {
	final class FeaturesUtil {
		public static $declared = array();

		public static function declare_compatibility( $feature, $file, $positive = true ) {
			self::$declared[ $feature ] = $positive;
			return true;
		}

		public static function get_compatible_features_for_plugin( $plugin ) {
			return array( 'compatible' => array_keys( array_filter( self::$declared ) ) );
		}
	}
}

namespace Automattic\WooCommerce\Blocks\Payments\Integrations {
	abstract class AbstractPaymentMethodType {
		protected $name     = '';
		protected $settings = array();

		abstract public function initialize();

		public function get_name() {
			return $this->name;
		}
	}
}
