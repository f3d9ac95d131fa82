/* The form against the agent's table of options, as docs/options.md has it, and the default settings. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { read } from './app.mjs';
import { Browser } from './browser.mjs';
import { Lab } from './lab.mjs';

/* Read by the init script, and by the agent to find its settings file. */
const OF_UCI_ALONE = [ 'enabled', 'config' ];

/* Rows of the table; docs/options.md is generated from it. */
const TABLE = read('docs/options.md').split('## Options that guard')[0].split('\n')
	.filter((line) => line.startsWith('| `'))
	.map((line) => line.split(/ *\| */))
	.map(([ , name, , type, preset ]) => ({ name: name.match(/`(.*?)`/)[1].replace(/-/g, '_'), type, preset }));

let lab, browser, form;

before(async () => {
	browser = await Browser.start();
	lab = await Lab.start();

	const tab = await browser.tab();

	/* Without an agent that tells what holds, the form shows its own defaults. */
	await tab.change((method) => method == 'config' ? { error: { code: -32000, message: 'Object not found' } } : null);
	await tab.open(lab, 'root', 'settings');
	await tab.says('The agent is not running', '.alert-message');
	form = await tab.page.evaluate(() => L.maps.flatMap((map) => map.sections).flatMap((section) => section.options)
		.map(({ option, title, password, placeholder, datatype, keylist, vallist, constructor, tab }) =>
			({ option, title, password, placeholder, datatype, keylist, vallist, widget: constructor.name, tab })));
	await tab.close();
});

after(async () => {
	await browser?.end();
	await lab?.end();
});

test('the form has every option of the table, and no other', () => {
	assert.ok(TABLE.length > 45, 'docs/options.md has another form');
	assert.deepEqual(form.map(({ option }) => option).sort(), [ ...TABLE.map(({ name }) => name), ...OF_UCI_ALONE ].sort());
});

test('the default settings have every option of the table, and no other', () => {
	const text = read('files/socketman.config');
	const named = Array.from(text.matchAll(/^\s*#?\s*(?:option|list) (\w+)\b/gm), ([ , name ]) => name);

	assert.deepEqual([ ...new Set(named) ].sort(), [ ...TABLE.map(({ name }) => name), ...OF_UCI_ALONE ].sort());
});

test('secrets are password fields, and nothing else is', () => {
	for (const { name, type } of TABLE) {
		const { password } = form.find(({ option }) => option == name);

		assert.equal(!!password, type.startsWith('secret'), name);
	}
});

test('ranges, choices and switches are those of the table', () => {
	for (const { name, type } of TABLE) {
		const { datatype, keylist, widget } = form.find(({ option }) => option == name);
		const range = type.match(/^(\d+)-(\d+)/);

		if (type == 'bool')
			assert.deepEqual(keylist, [ '', '1', '0' ], name);
		else if (/^\w+( or \w+)+$/.test(type) && type != 'host or URL')
			assert.deepEqual(keylist, [ '', ...type.split(' or ') ], name);
		else if (type == '1-65535')
			assert.equal(datatype, 'port', name);
		else if (range && widget == 'ListValue')
			assert.deepEqual(keylist.slice(1), Array.from({ length: range[2] - range[1] + 1 }, (_key, i) => `${+range[1] + i}`), name);
		else if (range)
			assert.equal(datatype, `and(uinteger,range(${range[1]},${range[2]}))`, name);
		else if (type == 'host')
			assert.equal(datatype, 'host', name);
		else if (type == 'list of keys')
			assert.equal(widget, 'DynamicList', name);
	}
});

test('what holds while nothing is set is shown', () => {
	for (const { name, preset } of TABLE) {
		const { placeholder, vallist, keylist } = form.find(({ option }) => option == name);
		const written = preset.match(/^`(.*)`$/)?.[1];

		if (written === undefined)
			continue;

		const said = keylist.length ? vallist[0].replace('not set: ', '') : placeholder;
		const words = keylist.includes('1') && keylist.length == 3 ? { 0: 'off', 1: 'on' } : {};

		assert.equal(said, words[written] ?? written, name);
	}
});

test('where somebody removed the section, it is made when asked for and not by looking', async () => {
	const tab = await browser.tab();
	const { result } = await lab.call(lab.root, 'uci', 'get', { config: 'socketman' });
	const written = () => tab.calls.filter((call) => /^uci (?!get|changes)/.test(call));

	assert.ok(result[1].values.main);

	/* As if it did not exist. */
	await tab.page.route('**/ubus', async (route) => {
		const calls = [].concat(JSON.parse(route.request().postData()));
		const response = await route.fetch();
		const answers = await response.json();

		calls.forEach(({ params: [ , object, method ] }, i) => {
			if (object == 'uci' && method == 'get' && !written().length)
				delete answers[i].result[1].values.main;
		});
		await route.fulfill({ response, json: answers });
	});
	await tab.open(lab, 'root', 'settings');
	await tab.page.waitForSelector('.cbi-button-add');
	assert.deepEqual(written(), []);
	await tab.page.click('.cbi-button-add');
	await tab.page.waitForSelector('[data-name="enabled"]');
	assert.deepEqual(written(), [ 'uci add' ]);
	await tab.close();
});

test('a value of the command line is marked as winning, and an error is shown', async () => {
	const tab = await browser.tab();

	await tab.change((method, answer) => {
		if (method != 'config')
			return;

		answer.result[1].options.monitor = { value: '30', source: 'command line' };
		answer.result[1].errors = [ { option: 'reboot', source: '/etc/config/socketman', line: 7, reason: '\'x\' is not a number' } ];
	});
	await tab.open(lab, 'root', 'settings');
	await tab.page.locator('summary', { hasText: 'Reports' }).click();
	await tab.says('The command line wins: 30', '[data-name="monitor"]');
	await tab.says('reboot: /etc/config/socketman:7: \'x\' is not a number', '.alert-message');
	await tab.page.locator('summary', { hasText: 'Broker' }).click();
	await tab.says(/from .*config\.json/, '[data-name="mqtt_host"]');
	await tab.close();
});

for (const [ what, harm ] of Object.entries({
	'is missing': () => {},
	'is empty': (file) => writeFileSync(file, '', { mode: 0o600 }),
	'cannot be read': (file) => writeFileSync(file, "config socketman 'main'\n\toption topic 'x\n", { mode: 0o600 })
}))
	test(`with a settings file that ${what} every page is there, and that of the settings says so`, async () => {
		const file = join(lab.settings, '../../config/socketman');
		const tab = await browser.tab();

		renameSync(file, `${file}.kept`);
		harm(file);

		try {
			await tab.open(lab, 'root', 'jobs');
			await tab.open(lab, 'root', 'overview');
			await tab.says(/Healthy|Online/, '.sm-title');
			assert.deepEqual(await tab.page.locator('#menu a').allInnerTexts(), [ 'Overview', 'Jobs', 'Settings' ]);
			await tab.page.click('#menu >> text=Settings');
			await tab.page.waitForSelector('#socketman-settings');

			if (what == 'is empty')
				await tab.page.waitForSelector('.cbi-button-add');
			else
				await tab.says('/etc/config/socketman is missing or cannot be read.', '#socketman-settings');

			assert.equal(await tab.page.locator('text=Save').count(), what == 'is empty' ? 2 : 0);
			await tab.picture(`settings-file-${what.replace(/ /g, '-')}`);
			await tab.page.click('text=Read settings again');
			await tab.page.waitForFunction(() => !document.querySelector('button.spinning'));

			if (what == 'cannot be read') {
				await tab.says(/config\/socketman:2: .*unterminated/, '.alert-message');
				await tab.open(lab, 'root', 'overview');
				await tab.says(/config\/socketman:2: .*unterminated/, '.sm-card');
			}
		} finally {
			renameSync(`${file}.kept`, file);
			await lab.ask('reload');
		}

		await tab.close();
	});
