/* The app's files by themselves: size, rights, texts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { files, minified, read } from './app.mjs';
import { POT, template } from './pot.mjs';

const SCRIPTS = files('htdocs').filter((path) => path.endsWith('.js'));

const sources = SCRIPTS.map((path) => read('luci-app-socketman', path)).join('\n');

const acl = JSON.parse(read('luci-app-socketman/root/usr/share/rpcd/acl.d/luci-app-socketman.json'));

test('all files together are at most 56 KB when minified', (t) => {
	const sizes = [ ...files('htdocs'), ...files('root') ].map((path) => Buffer.byteLength(minified(path)));
	const sum = sizes.reduce((a, b) => a + b);

	t.diagnostic(`${sum} bytes`);
	assert.ok(sum <= 56 * 1024, `${sum} bytes`);
});

test('minified scripts are scripts still', () => {
	for (const path of SCRIPTS)
		assert.doesNotThrow(() => new Function(minified(path)), path);
});

test('every method that is called is granted, and the other way round', () => {
	const called = Array.from(sources.matchAll(/\bcall\('(\w+)'/g), ([ , method ]) => method);
	const granted = Object.values(acl).flatMap(({ read, write }) => [ read, write ])
		.flatMap((grants) => grants?.ubus?.socketman ?? []);

	assert.deepEqual(called.sort(), granted.sort());

	/* Besides, only what rpcd grants every session. */
	const declared = Array.from(sources.matchAll(/rpc\.declare\(\{\s*object: '(\w+)',\s*method(?:: '(\w+)')?/g), ([ , object, method ]) => [ object, method ]);

	assert.deepEqual(declared, [ [ 'socketman', undefined ], [ 'session', 'access' ] ]);
});

test('getters alone are granted with reading, and nothing by pattern', () => {
	const getters = [ 'status', 'stats', 'history', 'jobs', 'job', 'config' ];

	for (const [ name, { read } ] of Object.entries(acl))
		for (const method of read?.ubus?.socketman ?? [])
			assert.ok(getters.includes(method), `${name}: ${method}`);

	assert.doesNotMatch(JSON.stringify(acl), /[*?]/);
});

test('nothing is given to the page as HTML', () => {
	assert.doesNotMatch(sources, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|dom\.parse|cbi_update_table/);

	/* A text in place of the list of children is HTML for LuCI. */
	assert.doesNotMatch(sources, /\bE\('\w+', (\{[^{}]*\}, )?['`_]/);
	assert.doesNotMatch(sources, /dom\.(content|append)\([^,]+, ['`_]/);
});

test('the template of translations has every text', () => {
	assert.equal(read('luci-app-socketman', POT), template(), 'node tests/luci/pot.mjs writes it');
});
