/* What is broken, the page says within 10 s of the agent, and forgets when it is mended. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './browser.mjs';
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

test('a broker that is down is told', async () => {
	await lab.order('mqtt down', /broker: down/);
	await lab.until(({ mqtt }) => !mqtt.connected && /refused/.test(mqtt.last_error));
	await title('Online, but not all is well');
	await glance(/no connection to the broker: .*refused/);
	await card(/Not connected.*Why.*refused/s);
	await tab.picture('fault-broker');
	await lab.order('mqtt up', /broker: up/);
	await mended();
});

test('an API that is down is told, and what waits is counted', async () => {
	await lab.order('api down', /API: refuses/);
	await lab.until(({ api, spool }) => /refused/.test(api.last_error) && spool.reports > 3);
	await title('Online, but not all is well');
	await glance(/reports are not delivered: .*refused/);
	await card(/Failing.*Last accepted.*ago/s);
	await card(/reports wait/);
	await lab.order('api up', /API: up/);
	await mended();
});

test('a captive portal is told', async () => {
	await lab.order('mqtt down', /broker: down/);
	await lab.order('api portal', /API: answers with a web page/);
	await lab.until(({ health }) => health.verdict == 'captive_portal');
	await title('Not healthy: a login page answers for the web');
	await tab.picture('fault-portal');
	await lab.order('api up', /API: up/);
	await lab.order('mqtt up', /broker: up/);
	await mended();
});

test('an agent that was stopped is told, what was known stays, and the page comes back by itself', async () => {
	const known = await tab.page.locator('tbody tr').count();

	assert.ok(known > 0);
	await lab.order('agent stop', /agent: ended/);
	await title('The agent does not answer');
	await glance('The agent is not running.');
	assert.equal(await tab.page.locator('tbody tr').count(), known);
	await tab.picture('fault-agent');

	/* And on a page that is opened only now. */
	const late = await browser.tab();

	for (const view of [ 'overview', 'jobs', 'settings' ]) {
		await late.open(lab, 'root', view);
		await late.says('The agent is not running');
	}

	await late.open(lab, 'root', 'overview');
	await lab.order('agent start', /agent: pid/);
	await mended();
	await late.says('Healthy', '.sm-title');
	await late.close();
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
