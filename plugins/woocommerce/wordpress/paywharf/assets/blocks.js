/* Shows Paywharf in the Checkout block: a label and a sentence. Everything else happens on the hub's payment page. */
( function () {
	'use strict';
	var el = window.wp.element.createElement;
	var decode = window.wp.htmlEntities.decodeEntities;
	var given = window.wc.wcSettings.getSetting( 'paywharf_data', {} );
	var title = decode( given.title || 'USDT (TRC20)' );

	function Label() {
		var icon = el( 'img', { src: given.icon, alt: '', width: 24, height: 24, style: { display: 'inline-block', marginInlineStart: '8px', verticalAlign: 'middle' } } );
		return el( 'span', { className: 'paywharf-label' }, title, icon );
	}

	function Content() {
		return el( 'div', null, decode( given.description || '' ) );
	}

	window.wc.wcBlocksRegistry.registerPaymentMethod( {
		name: 'paywharf',
		paymentMethodId: 'paywharf',
		label: el( Label ),
		ariaLabel: title,
		content: el( Content ),
		edit: el( Content ),
		placeOrderButtonLabel: given.button ? decode( given.button ) : undefined,
		canMakePayment: function () { return true; },
		supports: { features: given.supports || [ 'products' ] }
	} );
}() );
