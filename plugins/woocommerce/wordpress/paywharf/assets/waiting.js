/* Asks the shop every five seconds whether a waiting order has been paid, and shows the page anew when it has. */
( function () {
	'use strict';
	var asked = 0;

	function ask() {
		asked += 1;
		fetch( window.paywharfState, { credentials: 'same-origin', cache: 'no-store' } )
			.then( function ( answer ) { return answer.json(); } )
			.then( function ( state ) {
				if ( state.ok && ! state.waiting ) {
					window.location.reload();
				} else {
					again();
				}
			} )
			.catch( again );
	}

	function again() {
		if ( asked < 240 ) { // Twenty minutes: then a reload by hand asks on.
			window.setTimeout( ask, 5000 );
		}
	}

	again();
}() );
