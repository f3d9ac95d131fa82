/* What is broken, the page says within 10 s of the agent, and forgets when it is mended. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser, callsOf } from './browser.mjs';
import { Lab } from './lab.mjs';

/* ms */
const SAID_WITHIN = 10_000;

let lab, browser, tab;

before(async () => {
	browser = await Browser.start();
	lab = await Lab.start();
	tab = await browser.tab();
	await tab.open(lab, 'status', 'overview');
});

after(async () => {
	await tab?.close();
	await browser?.end();
	await lab?.end();
});

const title = (words) => tab.says(words, '.sm-title', SAID_WITHIN);

const glance = (words) => tab.says(words, '.sm-glance', SAID_WITHIN);

const card = (words) => tab.says(words, '.sm-card', SAID_WITHIN);

async function mended() {
	await lab.until(({ mqtt, api, health }) => mqtt.connected && !api.last_error && health.verdict == 'ok' && !health.evidence.degraded);
	await title('Healthy');
}

test('without internet it says so, why, and what next', async () => {
	await lab.order('wan down', /broker: down/);

	const { health } = await lab.until(({ health }) => health.verdict && health.verdict != 'ok');

	assert.equal(health.verdict, 'no_internet');
	await title('Not healthy: nothing beyond the gateway answers');
	await glance(/refused/);
	await glance('Check the modem');
	await glance(/Next: check (now|in \d+ s)/);
	await card('Not connected');
	await card('Failing');
	await tab.says(/^Health\s*(names only|no internet)/, 'figcaption', SAID_WITHIN);
	await tab.picture('fault-no-internet');
	await lab.order('wan up', /broker: up/);
	await mended();
});

test('a broker that is down is shown', async () => {
	await lab.order('mqtt down', /broker: down/);
	await lab.until(({ mqtt }) => !mqtt.connected && /refused/.test(mqtt.last_error));
	await title('Online, but not all is well');
	await glance(/no connection to the broker: .*refused/);
	await card(/Not connected.*Why.*refused/s);
	await tab.picture('fault-broker');
	await lab.order('mqtt up', /broker: up/);
	await mended();
});

test('an API that is down is shown, and what waits is counted', async () => {
	await lab.order('api down', /API: refuses/);
	await lab.until(({ api, spool }) => /refused/.test(api.last_error) && spool.reports > 3);
	await title('Online, but not all is well');
	await glance(/reports are not delivered: .*refused/);
	await card(/Failing.*Last accepted.*ago/s);
	await card(/reports wait/);
	await lab.order('api up', /API: up/);
	await mended();
});

test('a captive portal is shown', async () => {
	await lab.order('mqtt down', /broker: down/);
	await lab.order('api portal', /API: answers with a web page/);
	await lab.until(({ health }) => health.verdict == 'captive_portal');
	await title('Not healthy: a login page answers for the web');
	await tab.picture('fault-portal');
	await lab.order('api up', /API: up/);
	await lab.order('mqtt up', /broker: up/);
	await mended();
});

test('an agent that was stopped is shown, what was known stays, and the page comes back by itself', async () => {
	const known = await tab.page.locator('tbody tr').count();

	assert.ok(known > 0);
	await lab.order('agent stop', /agent: ended/);
	await title('The agent is not running');
	await glance('It is switched off, was stopped or has failed.');
	await glance('What is below was known last.');
	assert.equal(await tab.page.locator('tbody tr').count(), known);
	await tab.picture('fault-agent');

	/* And on a page that is opened only now. */
	const late = await browser.tab();

	await lab.uci('set', { values: { enabled: '1' } });
	await lab.uci('apply');

	for (const view of [ 'overview', 'jobs', 'settings' ]) {
		await late.open(lab, 'root', view);
		await late.says('The agent is not running');
	}

	await late.open(lab, 'root', 'overview');
	await late.says('Start it under System, Startup.', '.sm-glance');
	await nothingBelow(late);
	await late.picture('stopped');
	await lab.order('agent start', /agent: pid/);
	await mended();
	await late.says('Healthy', '.sm-title');
	await late.close();
});

/* No empty boxes. */
async function nothingBelow(tab) {
	assert.deepEqual(await tab.page.locator('#socketman-overview').locator('figure, table, .sm-card').evaluateAll(
		(all) => all.filter((node) => node.checkVisibility()).length), 0);
	assert.equal(await tab.page.locator('button:visible').count(), 0, 'nothing to press');
}

for (const [ look, options ] of Object.entries({
	'light-1400': {},
	'dark-360': { colorScheme: 'dark', viewport: { width: 360, height: 780 } }
}))
	test(`a new user sees that it is switched off, and where to switch it on, ${look}`, async () => {
		await lab.uci('set', { values: { enabled: '0' } });
		await lab.uci('apply');
		await lab.order('agent stop', /agent: ended/);

		const tab = await browser.tab(options);

		await tab.open(lab, 'root', 'overview');
		await tab.says(/^Switched off\s*$/, '.sm-title');
		await tab.says('Nothing runs until it is enabled.', '.sm-glance');
		await nothingBelow(tab);
		await tab.picture(`switched-off-${look}`);
		await tab.page.click('text=Open the settings');
		await tab.page.waitForSelector('#socketman-settings');
		await tab.page.locator('[data-name="enabled"] input').check();
		await Promise.all([ tab.page.waitForEvent('load'), tab.page.click('text=Save & Apply') ]);
		await tab.page.waitForSelector('#socketman-settings');
		await lab.order('agent start', /agent: pid/);
		await tab.open(lab, 'root', 'overview');
		await tab.says('Healthy', '.sm-title');
		await tab.close();
		await mended();
	});

test('reports that the API refuses one by one are counted', async () => {
	const tab = await browser.tab();

	await tab.change((method, answer) => {
		if (method == 'status')
			Object.assign(answer.result[1].spool, { reports: 5, set_aside: 3 });
	});
	await tab.open(lab, 'status', 'overview');
	await tab.says(/Queue.*5 reports wait.*Refused, sent again later\s*3/s, '.sm-card.sm-warn');
	await tab.picture('set-aside');
	await tab.close();
});

test('where the settings that name the broker cannot be read, the page says so', async () => {
	const tab = await browser.tab();
	const why = 'no link to the broker: the settings in /etc/config/socketman cannot be read';

	await tab.change((method, answer) => {
		if (method == 'status')
			Object.assign(answer.result[1].mqtt, { connected: false, host: '', since: null, last_error: why, next_attempt: null });
	});
	await tab.open(lab, 'status', 'overview');
	await tab.says('Online, but not all is well', '.sm-title');
	assert.match(await tab.text('.sm-glance'), new RegExp(`^${why}$`, 'm'));
	await tab.says(/Broker.*Not connected.*Why\s*no link to the broker/s, '.sm-card.sm-warn');
	await tab.picture('no-broker-known');
	await tab.close();
});

test('an agent that has just started says so', async () => {
	const young = await browser.tab();

	await young.change((method, { result }) => {
		if (method == 'status')
			Object.assign(result[1], {
				uptime: 1, seq: 0, mac: '94:83:c4:a1:b2:00', radios: [], stations: 0,
				health: { code: null, verdict: null, since: null, next_probe: null, evidence: {} },
				mqtt: { connected: false, host: 'broker.example', since: null, reconnects: 0, last_error: null, next_attempt: null },
				api: { last_ok: null, host: '', last_error: null, next_attempt: null }
			});

		return method == 'stats' ? { result: [ 5 ] } : null;
	});
	await young.open(lab, 'root', 'overview');
	await young.says(/^Starting\s*$/, '.sm-title');
	await young.says('the first check is under way', '.sm-glance');
	assert.doesNotMatch(await young.text(), /Radios|Leases/, 'nobody knows yet');
	await young.picture('starting');
	await young.close();
});

test('a user who may not see it gets a message, and what was seen before is gone', async () => {
	const refused = await browser.tab();
	let denied = false;

	await refused.change(() => denied ? { error: { code: -32002, message: 'Access denied' } } : null);
	await refused.open(lab, 'status', 'overview');
	await refused.says('Healthy', '.sm-title');
	denied = true;
	await refused.says('Not permitted', '.sm-title');
	await refused.says('Log in again if its rights were changed.', '.sm-glance');
	await nothingBelow(refused);
	await refused.picture('refused');
	await refused.close();
});

test('after a restart of the bus the page goes on', async () => {
	await lab.order('ubus restart', /object socketman is back/);
	await lab.order('mqtt down', /broker: down/);
	await lab.until(({ mqtt }) => !mqtt.connected);
	await title('Online, but not all is well');
	await lab.order('mqtt up', /broker: up/);
	await mended();
});

test('a person checks and delivers now', async () => {
	await tab.page.click('text=Check now');
	await tab.says('ok', '#notifications', SAID_WITHIN);
});

test('a delivery that takes longer than LuCI waits is said to go on, and its outcome is seen where that says', async () => {
	const tab = await browser.tab();

	await lab.order('api slow', /API: answers after/);

	const [ { spool }, { api } ] = [ await lab.until(({ spool }) => spool.reports > 0), await lab.ask('status') ];

	await tab.open(lab, 'status', 'overview');
	await tab.page.evaluate(() => { L.env.rpctimeout = 3; });
	await tab.page.click('text=Deliver now');
	await tab.says('The delivery goes on. Its outcome will be shown on the cards Delivery and Queue.', '#notifications > .info', SAID_WITHIN);
	await tab.page.waitForFunction(() => !document.querySelector('button.spinning'));
	await tab.picture('delivery-goes-on');
	assert.ok(spool.reports > 0);
	await lab.until((status) => status.api.last_ok > api.last_ok);
	await lab.order('api up', /API: up/);
	await tab.says(/Delivery\s*Accepted/, '.sm-card');
	await tab.close();
});

/* How each call that may take long ends for the page: LuCI gives up, uhttpd does, or the agent. */
const LATE = {
	LuCI: (route) => new Promise((resolve) => { setTimeout(() => resolve(route.abort().catch(() => {})), 1500); }),
	uhttpd: (route) => route.fulfill({ json: { jsonrpc: '2.0', id: 1, error: { code: -32003, message: 'ubus request timed out' } } }),
	'the agent': (route) => route.fulfill({ json: { jsonrpc: '2.0', id: 1, result: [ 7 ] } })
};

for (const [ who, late ] of Object.entries(LATE))
	for (const [ view, button, method, words ] of [
		[ 'overview', 'Check now', 'probe', 'The check goes on. Its result will be shown at the top of this page.' ],
		[ 'overview', 'Deliver now', 'upload', 'The delivery goes on. Its outcome will be shown on the cards Delivery and Queue.' ],
		[ 'jobs', 'Run', 'run_job', 'The agent has not answered yet. If it takes the job, the list will show it.' ],
		[ 'settings', 'Read settings again', 'reload', 'The settings are still being read. Load this page again to see what holds then.' ]
	])
		test(`where ${who} waits no longer for ${method}, the page says what goes on`, async () => {
			const tab = await browser.tab();

			await tab.page.route('**/ubus', (route) => {
				const methods = callsOf(route).map(({ params }) => params[2]);

				/* What is asked for at the same time does not wait with it. */
				return methods.includes(method) ? assert.deepEqual(methods, [ method ]) ?? late(route) : route.continue();
			});
			await tab.open(lab, 'root', view);
			await tab.page.evaluate(() => { L.env.rpctimeout = 1; });

			if (view == 'jobs')
				await tab.page.fill('textarea', 'true');

			await tab.page.locator(`#view button:text-is("${button}")`).click();
			await tab.says(words, '#notifications > .info', SAID_WITHIN);
			assert.equal(await tab.page.locator('#notifications > *').count(), 1);
			await tab.close();
		});
