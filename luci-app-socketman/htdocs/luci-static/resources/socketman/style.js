'use strict';
'require baseclass';

return baseclass.extend({
	/* The page is drawn when its style is there, so that nothing jumps. */
	load() {
		return new Promise((resolve) => {
			document.head.appendChild(E('link', {
				'rel': 'stylesheet',
				'href': L.resource('socketman/style.css'),
				'load': resolve,
				'error': resolve
			}));
		});
	}
});
