/* Names that other people choose are shown as text. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './browser.mjs';
import { Lab } from './lab.mjs';

/* What is not text for everybody; what of it has to be seen. */
const NAMES = [
	[ '<img src=x onerror=alert(1)>' ],
	[ '<svg/onload=alert(1)>' ],
	[ '"><script>alert(1)</script>' ],
	[ '\'"`&lt;b&gt;%h%s%d' ],
	[ '📱👩‍👩‍👧 café' ],
	[ 'مكتب الاستقبال' ],
	[ '\u202egnp.exe' ],
	[ Array.from({ length: 32 }, (_byte, i) => String.fromCharCode(i)).join(''), '\ufffd'.repeat(32) ]
];

let lab, browser;

before(async () => {
	browser = await Browser.start();
	lab = await Lab.start('--stations', '12');
	await lab.order('job echo "<img src=x onerror=alert(1)>"', /job lab-1 PROCESSED/);
});

after(async () => {
	await browser?.end();
	await lab?.end();
});

/* Nothing of it became a part of the page. */
async function harmless(tab) {
	const made = await tab.page.locator('#view').locator('img, script, b, svg[onload], [onerror]').count();

	assert.equal(made, 0);
}

test('what hostapd, DHCP and jobs say for real is shown as text', async () => {
	const tab = await browser.tab();

	await tab.open(lab, 'root', 'overview');
	await tab.says('<img src=x onerror=alert(1)>', 'tbody');
	await tab.says('<svg/onload=alert(1)>', 'tbody');
	await tab.says('مكتب', 'tbody');
	await harmless(tab);
	await tab.open(lab, 'root', 'jobs');
	await tab.page.click('td button');
	await tab.says('<img src=x onerror=alert(1)>', 'pre');
	await harmless(tab);
	await tab.close();
});

/* Every text in a reply becomes another one; keys and numbers stay. */
function replaced(value, name, kept = []) {
	if (typeof(value) == 'string')
		return name;

	if (Array.isArray(value))
		return value.map((item) => replaced(item, name));

	if (value && typeof(value) == 'object')
		return Object.fromEntries(Object.entries(value).map(([ key, item ]) => [ key, kept.includes(key) ? item : replaced(item, name) ]));

	return value;
}

for (const [ name, shown = name ] of NAMES)
	test(`every text of every reply may be ${JSON.stringify(name)}`, async () => {
		const tab = await browser.tab();

		await tab.change((method, answer) => {
			/* The agent does not know a job of that name. */
			if (method == 'job')
				answer.result = [ 0, { id: '', type: '', state: 'failed', output: 'x', stderr: 'x', reason: 'x', source: 'mqtt' } ];

			if (!answer.result?.[1])
				return;

			if (method == 'status')
				answer.result[1].config.errors.push({ option: 'monitor', source: 'x', line: 1, reason: 'x' });

			answer.result[1] = replaced(answer.result[1], name);
		});

		for (const view of [ 'overview', 'jobs', 'settings' ]) {
			await tab.open(lab, 'root', view);

			if (view == 'jobs') {
				await tab.page.click('td button');
				await tab.page.waitForSelector('pre');
			}

			/* As the browser lays it out: white space is one. */
			const seen = (await tab.page.textContent('#view')).replace(/\s+/g, ' ');

			assert.ok(seen.includes(shown.replace(/\s+/g, ' ')), `${view} does not show it`);
			await harmless(tab);
		}

		await tab.picture(`hostile-${NAMES.findIndex(([ text ]) => text == name)}`);
		await tab.close();
	});
