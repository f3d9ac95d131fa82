/* Each view, as people look at it. */
import assert from 'node:assert/strict';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { CHECKOUT, minified } from './app.mjs';
import { Browser } from './browser.mjs';
import { Lab } from './lab.mjs';

const VIEWS = [ 'overview', 'jobs', 'settings' ];

const LOOKS = {
	'light-1400': {},
	'dark-1400': { colorScheme: 'dark' },
	'light-360': { viewport: { width: 360, height: 780 } }
};

/* For a table of 300 rows, ms. */
const NO_LAG = 200;

/* How much longer things take because this machine has something else to do as well. */
const busy = () => Math.max(1, loadavg()[0] / cpus().length);

let lab, browser;

before(async () => {
	browser = await Browser.start();
	lab = await Lab.start('--stations', '0');
	await lab.order('job echo out; echo err >&2; exit 3', /job lab-1 PROCESSED/);
});

after(async () => {
	await browser?.end();
	await lab?.end();
});

async function stations(count) {
	await lab.order(`stations ${count}`, new RegExp(`router: ${count} stations`));
	await lab.until((status) => status.stations == count);
}

for (const count of [ 0, 300 ])
	for (const [ look, options ] of Object.entries(LOOKS))
		test(`with ${count} stations all views are drawn, ${look}`, async () => {
			await stations(count);

			for (const view of VIEWS) {
				const tab = await browser.tab(options);

				await tab.open(lab, 'root', view);

				if (view == 'overview') {
					await tab.says(/Healthy/, '.sm-title');
					/* Some leave by themselves, for a while. */
					await tab.page.waitForFunction((least) => document.querySelectorAll('tbody tr').length >= least, count * 0.9);
				}

				await tab.picture(`${view}-${count}-${look}`);

				const wider = await tab.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

				assert.ok(wider <= 0, `${view} is ${wider} px wider than the window`);
				await tab.close();
			}
		});

test('stations are sorted and filtered at once', async () => {
	await stations(300);

	const tab = await browser.tab();
	const { page } = tab;
	const column = (n) => page.locator(`tbody tr:not([hidden]) td:nth-child(${n})`).allInnerTexts();

	await tab.open(lab, 'status', 'overview');

	const took = await page.evaluate(async () => {
		const drawn = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
		const from = performance.now();

		document.querySelectorAll('th button')[5].click();
		await drawn();

		return performance.now() - from;
	});

	assert.ok(took < NO_LAG * busy(), `sorting took ${took} ms`);

	const signals = (await column(6)).map((text) => parseInt(text, 10)).filter(Number.isFinite);

	assert.ok(signals.length >= 270);
	assert.deepEqual(signals, [ ...signals ].sort((a, b) => a - b));

	await page.locator('th button').nth(5).click();
	assert.equal(await page.locator('th').nth(5).getAttribute('aria-sort'), 'descending');

	await page.fill('[placeholder="Filter"]', 'anna-mac');
	assert.deepEqual(await column(1), [ 'anna-macbook' ]);
	await tab.says(/^1 of \d+$/, '.sm-count');
	await tab.close();
});

const list = (count, item) => Array.from({ length: count }, (_item, i) => item(`02:00:00:00:${[ i >> 8, i & 255 ].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`));

/* How many stations and leases a device has, and how many of each the agent gives in a reply that would be too long otherwise. */
for (const [ what, stations, leases, longest ] of [
	[ 'a page of full length', 1100, 900, 500 ],
	[ 'pages the agent cut short', 500, 500, 250 ],
	[ 'pages of few', 300, 40, 31 ],
	[ 'more leases than stations', 40, 300, 62 ],
	[ 'leases alone', 0, 120, 100 ]
])
	test(`every station is shown: ${what}`, async () => {
		const tab = await browser.tab();
		const asked = [];

		await tab.change((method, answer, { offset, limit }) => {
			if (method != 'stats')
				return null;

			const page = (all) => all.slice(offset, offset + Math.min(limit, longest));

			asked.push(offset);

			return { result: [ 0, {
				device: {},
				...stations ? { stations: page(list(stations, (mac) => ({ mac, interface: 'wlan0' }))) } : {},
				dhcp: page(list(leases, (mac) => ({ mac, ip: '192.0.2.1' }))),
				more: offset + longest < Math.max(stations, leases)
			} ] };
		});
		await tab.page.clock.install();
		await tab.open(lab, 'status', 'overview');
		await tab.says(new RegExp(`^${stations}$`), '.sm-count');
		assert.equal(await tab.page.locator('tbody tr').count(), stations);
		assert.deepEqual(asked, Array.from({ length: Math.ceil(Math.max(stations, leases) / longest) }, (_page, i) => i * longest));
		await tab.close();
	});

test('pages end when nothing comes any more', async () => {
	const tab = await browser.tab();
	const asked = [];

	/* Stations left meanwhile. */
	await tab.change((method, _answer, { offset }) => method == 'stats' && asked.push(offset)
		? { result: [ 0, { device: {}, stations: offset ? [] : list(3, (mac) => ({ mac })), dhcp: [], more: true } ] }
		: null);
	await tab.page.clock.install();
	await tab.open(lab, 'status', 'overview');
	await tab.says(/^3$/, '.sm-count');
	assert.deepEqual(asked, [ 0, 3 ]);
	await tab.close();
});

test('the page changes in place as the device does', async () => {
	await stations(40);

	const tab = await browser.tab();
	const { page } = tab;

	await tab.open(lab, 'status', 'overview');
	await page.waitForFunction(() => document.querySelectorAll('tbody tr').length >= 30);
	await page.fill('[placeholder="Filter"]', ':');

	const rows = await page.evaluateHandle(() => Array.from(document.querySelectorAll('tbody tr')));

	await lab.order('stations 80', /router: 80 stations/);
	await page.waitForFunction(() => document.querySelectorAll('tbody tr').length >= 60);

	/* Some leave by themselves; the rows of all others are the same as before. */
	const kept = await rows.evaluate((all) => all.filter((row) => row.isConnected).length);

	assert.ok(kept >= 25, `${kept} rows were kept`);
	assert.equal(await page.inputValue('[placeholder="Filter"]'), ':');
	await tab.close();
});

test('the overview is there within 500 ms', async (t) => {
	/* At its own pace an agent has nothing to do most of the time. */
	const calm = await Lab.start('--time-scale', '1', '--stations', '12');
	const times = [];

	for (let i = 0; i < 5; i++) {
		const tab = await browser.tab();

		/* Since the navigation began. */
		await tab.page.addInitScript(() => new MutationObserver((_changes, observer) => {
			if (document.querySelector('#socketman-overview .sm-title')) {
				observer.disconnect();
				requestAnimationFrame(() => { window.drawn = performance.now(); });
			}
		}).observe(document, { childList: true, subtree: true }));
		await tab.open(calm, 'status', 'overview');
		times.push(await (await tab.page.waitForFunction(() => window.drawn)).jsonValue());
		await tab.close();
	}

	await calm.end();

	const allowed = 500 * busy();
	const best = Math.min(...times);

	t.diagnostic(`${times.map(Math.round).join(', ')} of ${Math.round(allowed)} ms`);
	assert.ok(best <= allowed, `${best} ms`);
});

test('graphs say what they show, scale with the page and have gaps where nothing is known', async () => {
	const tab = await browser.tab();
	const now = Math.floor(Date.now() / 1000);
	const at = Array.from({ length: 288 }, (_point, i) => now - (287 - i) * 300);
	const points = (value) => at.map((_time, i) => i > 100 && i < 120 ? null : value(i));

	await tab.change((method) => method == 'history' ? { result: [ 0, {
		at, stations: points((i) => i % 30), rx_rate: points((i) => i * 1000), tx_rate: points((i) => i * 100),
		load: points(() => 0.5), ram: points(() => 1e8), health: points((i) => i < 50 ? 1 : 9)
	} ] } : null);
	await tab.open(lab, 'status', 'overview');
	await tab.page.setViewportSize({ width: 800, height: 900 });

	const drawn = await tab.page.locator('figure svg').evaluateAll((all) => all.map((svg) => ({
		role: svg.getAttribute('role'),
		title: svg.querySelector('title').textContent,
		fits: Math.abs(svg.getBoundingClientRect().width - svg.parentNode.clientWidth) < 1,
		runs: Array.from(svg.querySelectorAll('path'), (path) => path.getAttribute('d').split('M').length - 1),
		rects: svg.querySelectorAll('rect').length
	})));

	assert.deepEqual(drawn.map(({ role, fits, runs, rects }) => ({ role, fits, runs, rects })), [
		{ role: 'img', fits: true, runs: [ 2 ], rects: 0 },
		{ role: 'img', fits: true, runs: [ 2, 2 ], rects: 0 },
		{ role: 'img', fits: true, runs: [ 2 ], rects: 0 },
		{ role: 'img', fits: true, runs: [], rects: 4 }
	]);
	assert.deepEqual(drawn.map(({ title }) => title), [
		'Stations: 17', 'Traffic: received 2.3 Mbit/s, sent 230 kbit/s', 'Load: 0.50', 'Health: online'
	]);
	await tab.close();
});

test('the minified files are drawn as well', async () => {
	const tab = await browser.tab();

	await tab.page.route(/\/luci-static\/.*\.(js|css)$/, (route) => route.fulfill({
		contentType: route.request().url().endsWith('.css') ? 'text/css' : 'text/javascript',
		/* The stand-in finds what is required as LuCI does: one expression a line. */
		body: minified(`htdocs${new URL(route.request().url()).pathname}`).replace(/^('use strict';)?('require [^']+';)+/, (head) => head.replace(/;/g, ';\n'))
	}));

	for (const view of VIEWS)
		await tab.open(lab, 'root', view);

	await tab.close();
});

test('a part that the page knows nothing of gets a card of what it tells', async () => {
	const tab = await browser.tab();

	await tab.change((method, answer) => {
		if (method == 'status')
			answer.result[1].sun_rise = { step: 'twilight', days_24h: 1 };
	});
	await tab.open(lab, 'status', 'overview');
	await tab.says(/sun rise.*step.*twilight.*days 24h.*1/s, '.sm-card');
	await tab.close();
});

/* A page that is shown a status with these members changed. */
async function shown(change) {
	const tab = await browser.tab();

	await tab.change((method, answer) => {
		if (method == 'status')
			change(answer.result[1], answer.result[1].now);
	});
	await tab.open(lab, 'status', 'overview');

	return tab;
}

test('an outage says what was tried, what comes next and when, and how many reboots are left', async () => {
	const tab = await shown((status, now) => {
		status.health = { code: 1, verdict: 'gateway_dead', since: now - 100, evidence: {} };
		status.recovery = {
			step: 'down_up', since: now - 40, why: 'the gateway does not answer',
			tried: [ { step: 'renew', at: now - 70, error: 'ubus call network.interface.wan renew: method not found' }, { step: 'down_up', at: now - 40 } ],
			next: { step: 'network_restart', at: now + 80 }, reboots_24h: 1, reboots_left: 2
		};
	});

	await tab.says(/Not healthy: the gateway does not answer/, '.sm-title');
	await tab.says(/tried 1 min ago: renew the lease, ubus call .* method not found/, '.sm-glance');
	await tab.says(/tried 40 s ago: WAN interface down and up/, '.sm-glance');
	await tab.says(/Restart the modem/, '.sm-glance');
	await tab.says(/Next: restart network and firewall in 1 min/, '.sm-glance');
	await tab.says(/Recovery.*WAN interface down and up.*Next\s*restart network and firewall, in 1 min.*Reboots in 24 h\s*1.*Reboots left\s*2/s, '.sm-card');
	await tab.picture('recovery');
	await tab.close();
});

test('without an outage recovery has nothing to do, and says how many reboots there were', async () => {
	const tab = await shown((status) => {
		status.recovery = { reboots_24h: 0, reboots_left: 3 };
	});

	await tab.says(/Recovery.*Nothing to do.*Reboots in 24 h\s*0.*Reboots left\s*3/s, '.sm-card');
	await tab.close();
});

test('a network change on trial says until when, and what happens then', async () => {
	const tab = await shown((status, now) => {
		status.guard = { armed: true, until: now + 90, job: 'vlan-7' };
	});

	await tab.says('Online, but not all is well', '.sm-title');
	await tab.says(/a network change is on trial/, '.sm-glance');
	await tab.says(/Next: .*the change is decided in 1 min/, '.sm-glance');
	await tab.says(/Network change.*On trial.*Job\s*vlan-7.*Decided\s*in 1 min.*Otherwise\s*the old settings come back/s, '.sm-card');
	await tab.picture('guard');
	await tab.close();
});

test('radios show their channel and how busy it is', async () => {
	const tab = await browser.tab();

	await tab.change((method, answer) => {
		if (method == 'status')
			answer.result[1].radios = [
				{ name: 'radio0', up: true, verdict: 'ok', since: 5, restarts: 0 },
				{ name: 'radio1', up: true, verdict: 'ok', since: 5, restarts: 0 },
				{ name: 'radio2', up: false, verdict: 'off', since: 5, restarts: 0 }
			];

		if (method == 'stats')
			answer.result[1].radios = [
				{ name: 'radio1', band: '5g', channel: 36, airtime: { utilization: 108, busy: 423, time: 1000 } },
				{ name: 'radio0', band: '2g', channel: 6, airtime: { busy: 0, time: 10 } }
			];
	});
	await tab.open(lab, 'status', 'overview');

	await tab.says(/Radios.*3 radios.*radio0\s*on air, 2\.4 GHz, channel 6\s*radio1\s*on air, 5 GHz, channel 36, 42% in use\s*radio2\s*switched off\s*$/s, '.sm-card');
	await tab.picture('utilisation');
	await tab.close();
});

test('a radio that is dead while the device is online is shown', async () => {
	const tab = await shown((status, now) => {
		status.radios = [
			{ name: 'radio0', up: true, verdict: 'ok', since: now - 500, restarts: 0 },
			{ name: 'radio1', up: false, verdict: 'setup_failed', since: now - 300, restarts: 2 },
			{ name: 'radio2', up: true, verdict: 'waiting', since: now - 50, restarts: 0 },
			{ name: 'radio3', up: false, verdict: 'off', since: now - 5000, restarts: 0 }
		];
	});

	await tab.says('Online, but not all is well', '.sm-title');
	await tab.says(/radio radio1: cannot be set up/, '.sm-glance');
	await tab.says(/Radios.*1 does not work.*radio0\s*on air.*radio1\s*cannot be set up, for 5 min, restarted 2 times.*radio2\s*waits for a free channel.*radio3\s*switched off/s, '.sm-card');
	await tab.picture('radios');
	await tab.close();
});

test('a device that waits for its first settings says where it asks, why it has none, and when it asks again', async () => {
	const tab = await shown((status, now) => {
		status.provision = { state: 'waiting', since: now - 3600, server: 'init.example', last_error: 'init.example answered 404', next_attempt: now + 90, refused_keys: [ 'job_pubkey' ] };
	});

	await tab.says(/First contact.*Waits for its settings.*Init server\s*init\.example.*For\s*1 h 0 min.*Why\s*init\.example answered 404.*Next\s*in 1 min.*Keys refused\s*job_pubkey/s, '.sm-card');
	await tab.picture('first-contact');
	await tab.close();
});

test('the page says why the device booted, and when', async () => {
	const tab = await shown((status, now) => {
		status.boot = { cause: 'watchdog', at: now - 7200 };
	});

	await tab.says(/Device.*Booted\s*2 h 0 min ago: the watchdog reset it/s, '.sm-card');
	await tab.close();
});

test('where the identity comes from is shown', async () => {
	const tab = await browser.tab();
	const { mac_source: from } = await lab.ask('status');

	assert.ok(from);
	await tab.open(lab, 'status', 'overview');
	await tab.says(new RegExp(`Device.*Identity from\\s*${from}`, 's'), '.sm-card');
	await tab.close();
});

test('a slip on a page fails the test, however short it is seen', async () => {
	const tab = await browser.tab();

	await tab.open(lab, 'status', 'overview');
	await tab.page.evaluate(() => {
		const place = document.querySelector('#view');
		const slips = [ [ 'p', 'for undefined' ], [ 'b', '[object Object]' ], [ 'i', 'null s' ], [ 'u', 'NaN%' ] ];

		for (const [ tag, text ] of slips) {
			const node = document.createElement(tag);

			node.append(text);
			place.append(node);
			node.remove();
		}

		place.setAttribute('title', 'M0,NaN');
	});
	assert.deepEqual(tab.complaints.splice(0), [ 'p: for undefined', 'b: [object Object]', 'i: null s', 'u: NaN%', 'div: title="M0,NaN"' ]
		.map((words) => `a slip in ${words}`));
	await tab.close();
});

test('a look at the pages writes nothing', async () => {
	const tab = await browser.tab();

	for (const view of VIEWS)
		await tab.open(lab, 'root', view);

	const getters = /^(socketman (status|stats|history|jobs|config)|session (login|access)|uci (get|changes))$/;

	assert.deepEqual(tab.calls.filter((call) => !getters.test(call)), []);
	await tab.close();
});

test('the history is asked for once a minute, and the report when there is a new one', async () => {
	const tab = await browser.tab();
	const count = (method) => tab.calls.filter((call) => call == `socketman ${method}`).length;
	let seq = 7;

	await tab.page.clock.install();
	await tab.change((method, { result }) => {
		if (method == 'status')
			Object.assign(result[1], { seq, uptime: 1000 });
	});
	await tab.open(lab, 'status', 'overview');
	assert.deepEqual([ 'status', 'stats', 'history' ].map(count), [ 1, 1, 1 ]);

	/* 65 s; a new report comes after 20 s. */
	for (let polls = 1; polls <= 13; polls++) {
		if (polls == 4)
			seq++;

		await tab.page.clock.runFor(5000);

		/* A poll is left out while the one before is not done. */
		while (count('status') <= polls)
			await tab.page.clock.runFor(1);

		await tab.atRest();
		await tab.page.clock.runFor(1);
		await tab.atRest();
	}

	assert.deepEqual([ 'status', 'stats', 'history' ].map(count), [ 14, 2, 2 ]);
	await tab.close();
});

test('the picture of the README', async () => {
	await stations(9);

	/* A day, which the lab's agent has not lived yet. */
	const now = Math.floor(Date.now() / 1000);
	const at = Array.from({ length: 288 }, (_point, i) => now - (287 - i) * 300);
	const day = (i) => Math.max(0, Math.sin((i - 60) / 288 * 2 * Math.PI));
	const rough = (i) => 1 + Math.sin(i * 1.7) * Math.sin(i * 0.31) * 0.4;
	const tab = await browser.tab({ viewport: { width: 1120, height: 1010 } });

	await tab.change((method) => method == 'history' ? { result: [ 0, {
		at,
		stations: at.map((_time, i) => Math.round(9 + 12 * day(i) * rough(i / 9))),
		rx_rate: at.map((_time, i) => 2e4 + 2.6e6 * day(i) * rough(i)),
		tx_rate: at.map((_time, i) => 9e3 + 4e5 * day(i) * rough(i + 40)),
		load: at.map((_time, i) => 0.08 + 0.3 * day(i) * rough(i / 3)),
		ram: at.map(() => 2.6e8),
		health: at.map((_time, i) => i >= 101 && i < 106 ? 1 : 9)
	} ] } : null);
	await tab.open(lab, 'root', 'overview');
	await tab.page.locator('th button').nth(5).dblclick();

	/* UPDATE_DOCS=1 puts it into the README. */
	await tab.picture('readme', process.env.UPDATE_DOCS ? { path: join(CHECKOUT, 'docs/img/overview.png') } : {});
	await tab.close();
});
