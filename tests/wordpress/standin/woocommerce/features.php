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
