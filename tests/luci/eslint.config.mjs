/* LuCI's own rules (its eslint.config.mjs), with what it only warns of as errors. */
import js from '@eslint/js';
import json from '@eslint/json';
import globals from 'globals';

const luci = { L: 'readonly', E: 'readonly', _: 'readonly', N_: 'readonly' };

/* What each 'require' line declares, LuCI's loader passes in. */
const required = Object.fromEntries([
	'api', 'baseclass', 'cards', 'chart', 'dom', 'form', 'options', 'poll', 'rpc', 'runbox', 'stations', 'style', 'uci', 'ui',
	'verdict', 'view', 'words'
].map((name) => [ name, 'readonly' ]));

const rules = {
	...js.configs.recommended.rules,
	'no-control-regex': 'off',
	'no-undef': 'error',
	'no-unused-vars': [ 'error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' } ],
	'prefer-const': 'error'
};

export default [
	{
		files: [ '**/luci-app-socketman/**/*.js' ],
		languageOptions: {
			sourceType: 'script',
			ecmaVersion: 2022,
			globals: { ...globals.browser, ...luci, ...required },
			parserOptions: { ecmaFeatures: { globalReturn: true } }
		},
		rules: {
			...rules,
			/* A part that is left out of an object on purpose. */
			'no-unused-vars': [ 'error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true } ]
		}
	},
	{
		files: [ '**/web/page/*.js' ],
		languageOptions: {
			sourceType: 'script',
			ecmaVersion: 2022,
			globals: { ...globals.browser, L: 'writable', E: 'writable', _: 'writable', rpc: 'writable', RPCError: 'writable' }
		},
		rules: { ...rules, 'no-redeclare': 'off', 'no-unused-vars': [ 'error', { vars: 'local', argsIgnorePattern: '^_' } ] }
	},
	{
		files: [ 'tests/luci/*.mjs' ],
		languageOptions: { sourceType: 'module', ecmaVersion: 2022, globals: { ...globals.node, ...globals.browser, L: 'readonly' } },
		rules
	},
	{
		files: [ '**/*.json' ],
		ignores: [ '**/package-lock.json' ],
		plugins: { json },
		language: 'json/json',
		rules: json.configs.recommended.rules
	}
];
