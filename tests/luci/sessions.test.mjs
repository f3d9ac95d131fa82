/* Permissions of users. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Browser, callsOf, framed } from './browser.mjs';
import { Lab } from './lab.mjs';

/* Its words alone would be found in a job that is running, too. */
const RUN = '#socketman-jobs button.cbi-button-apply';

const SECRETS = {
	password: 'secret-of-the-broker',
	token: 'secret-of-the-api',
	boot_cmd: 'true secret-of-the-start',
	init_token: 'secret-of-the-provisioning',
	backup_stats_url: 'http://user:secret-in-an-address@127.0.0.1:9/?key=secret-in-a-query'
};

const OUTPUT = 'secret-output';

let lab, browser;

before(async () => {
	browser = await Browser.start();
	lab = await Lab.start();

	const root = await lab.login('root');

	await lab.call(root, 'uci', 'set', { config: 'socketman', section: 'main', values: SECRETS });
	await lab.call(root, 'uci', 'apply', {});
	await lab.until(({ options }) => options.password.source.endsWith('/config/socketman'), 'config');
	await lab.order(`job echo ${OUTPUT}`, /job lab-1 PROCESSED/);
});

after(async () => {
	await browser?.end();
	await lab?.end();
});

const DENIED = { code: -32002, message: 'Access denied' };

test('the status group sees no settings, no run box, no output and no secret', async () => {
	const tab = await browser.tab();

	await tab.open(lab, 'status', 'overview');
	await tab.says('Healthy', '.sm-title');
	assert.deepEqual(await tab.page.locator('#menu a').allInnerTexts(), [ 'Overview', 'Jobs' ]);
	await tab.open(lab, 'status', 'jobs');
	await tab.says('lab-1', 'tbody');
	assert.equal(await tab.page.locator('textarea, td button').count(), 0);

	const all = await tab.bytes();

	assert.ok(all.includes('lab-1'));

	for (const secret of [ 'secret-', 'lab-token' ])
		assert.ok(!all.includes(secret), secret);

	await tab.page.goto(lab.address('status', 'settings'));
	await tab.page.reload();
	await tab.says('There is no such page for this user.');
	tab.complaints.length = 0;
	await tab.close();

	const session = await lab.login('status');

	for (const [ object, method ] of [ [ 'socketman', 'job' ], [ 'socketman', 'run_job' ], [ 'socketman', 'config' ],
		[ 'socketman', 'reload' ], [ 'system', 'board' ], [ 'network.wireless', 'status' ] ])
		assert.deepEqual((await lab.call(session, object, method)).error, DENIED, `${object} ${method}`);

	for (const [ method, args ] of [ [ 'get', {} ], [ 'set', { section: 'main', values: { debug: '1' } } ] ])
		assert.deepEqual((await lab.call(session, 'uci', method, { config: 'socketman', ...args })).result, [ 6 ]);
});

test('a visitor without a login gets nothing', async () => {
	for (const session of [ '0'.repeat(32), '', 'f'.repeat(32) ])
		assert.deepEqual((await lab.call(session, 'socketman', 'status')).error, DENIED);
});

test('nobody passes himself off as the caller', async () => {
	const faked = await lab.call(lab.root, 'socketman', 'status', { ubus_rpc_session: 'x' });

	assert.equal(faked.error.code, -32602);
});

test('the jobs group runs jobs and sees what they say', async () => {
	const tab = await browser.tab();

	await tab.open(lab, 'jobs', 'jobs');
	assert.deepEqual(await tab.page.locator('#menu a').allInnerTexts(), [ 'Overview', 'Jobs' ]);
	await tab.page.fill('textarea', 'echo to-output; echo to-errors >&2; sleep 1; exit 4');
	await tab.page.click(RUN);
	await tab.says('to-errors', 'tbody tr:nth-child(2) pre');
	await tab.says(/failed/, 'tbody tr:first-child');
	assert.deepEqual(await tab.page.locator('tbody tr:nth-child(2) :is(h5, pre)').allTextContents(),
		[ 'Command', 'echo to-output; echo to-errors >&2; sleep 1; exit 4', 'Output', 'to-output\n', 'Errors', 'to-errors\n' ]);
	await tab.says('4', 'tbody tr:first-child td:nth-child(4)');
	await tab.picture('job-output');

	const all = await tab.bytes();

	for (const secret of Object.values(SECRETS))
		assert.ok(!all.includes(secret), secret);

	await tab.close();
});

test('a timeout ends a job', async () => {
	const tab = await browser.tab();
	const known = (await lab.ask('jobs')).jobs.length;

	await tab.open(lab, 'jobs', 'jobs');
	await tab.page.fill('textarea', 'sleep 60');
	await tab.page.fill('[type=number]', '1');
	await tab.page.click(RUN);

	const { jobs: [ job ] } = await lab.until(({ jobs }) => jobs.length > known && jobs[0].state == 'failed', 'jobs');

	assert.ok(job.duration_ms >= 1000 && job.duration_ms < 60_000, `${job.duration_ms}`);
	await tab.says(job.id, 'tbody tr:first-child');
	await tab.says(/failed/, 'tbody tr:first-child');
	await tab.close();
});

test('a reboot is a job without a command', async () => {
	const tab = await browser.tab();
	const asked = [];

	/* The agent does not hear of it. */
	await tab.page.route('**/ubus', (route) => {
		const calls = callsOf(route);

		if (!calls.some(({ params }) => params[2] == 'run_job'))
			return route.continue();

		asked.push(...calls.map(({ params }) => params[3]));

		return route.fulfill({ json: framed(route, calls.map(({ id }) => ({ jsonrpc: '2.0', id, result: [ 0, { id: 'local-1', state: 'running' } ] }))) });
	});
	await tab.open(lab, 'jobs', 'jobs');
	assert.deepEqual(await tab.page.locator('select[class=cbi-input-select] option').allInnerTexts(), [ 'Command', 'Reboot', 'Cancel a job' ]);
	await tab.page.click(RUN);
	await tab.says('There is no command.', '#notifications');
	assert.deepEqual(asked, []);
	await tab.page.selectOption('select[class=cbi-input-select]', 'reboot');
	await Promise.all([ tab.page.waitForResponse('**/ubus'), tab.page.click(RUN) ]);
	assert.deepEqual(asked.map(({ msg, type }) => [ msg, type ]), [ [ '', 'reboot' ] ]);
	await tab.close();
});

test('the output of a running job grows on the page, and only an open row asks for it', async () => {
	const tab = await browser.tab();
	const known = (await lab.ask('jobs')).jobs.length;
	const signs = mkdtempSync(join(tmpdir(), 'luci-'));

	await tab.open(lab, 'jobs', 'jobs');
	await tab.page.fill('textarea', `echo first; for n in second third; do until [ -e ${signs}/$n ]; do sleep 0.1; done; echo $n; done; sleep 600`);
	await tab.page.click(RUN);
	await tab.says(/^first\s*$/, 'tbody tr:nth-child(2) pre');

	const { jobs: [ { id } ] } = await lab.until(({ jobs }) => jobs.length > known, 'jobs');

	for (const line of [ 'second', 'third' ]) {
		writeFileSync(join(signs, line), '');
		await tab.says(line, 'tbody tr:nth-child(2) pre');
	}

	await tab.says('running', 'tbody tr:first-child');
	await tab.picture('job-running');

	const count = (call) => tab.calls.filter((it) => it == call).length;

	await tab.page.click('tbody tr:first-child button');
	await tab.atRest();

	const [ before, lists ] = [ count('socketman job'), count('socketman jobs') ];

	/* From one look at the list to the next it would have asked twice. */
	await tab.page.waitForRequest(() => count('socketman jobs') == lists + 2);
	assert.equal(count('socketman job'), before);

	await tab.page.click('tbody tr:first-child button');
	await tab.says('third', 'tbody tr:nth-child(2) pre');
	await lab.call(lab.root, 'socketman', 'run_job', { msg: id, type: 'cancel', wait: false });
	await tab.says('failed', `tbody tr:has-text("${id}")`);
	rmSync(signs, { recursive: true });
	await tab.close();
});

test('a job that runs has no output yet, and is cancelled by its id', async () => {
	const tab = await browser.tab();
	const known = (await lab.ask('jobs')).jobs.length;

	await tab.open(lab, 'jobs', 'jobs');
	await tab.page.fill('textarea', 'sleep 600');
	await tab.page.click(RUN);
	await tab.says(/Command.*sleep 600.*Output.*nothing yet/s, 'tbody tr:nth-child(2)');

	const { jobs: [ { id } ] } = await lab.until(({ jobs }) => jobs.length > known, 'jobs');

	await tab.page.fill('textarea', id);
	await tab.page.selectOption('select[class=cbi-input-select]', 'cancel');
	await tab.page.click(RUN);
	await lab.until(({ state }) => state == 'failed', 'job', { id });
	await tab.close();
});

test('where web_jobs is off the run box says so', async () => {
	await lab.uci('set', { values: { web_jobs: '0' } });
	await lab.uci('apply');
	await lab.until(({ options }) => options.web_jobs.value == '0', 'config');

	const tab = await browser.tab();

	await tab.open(lab, 'jobs', 'jobs');
	await tab.page.fill('textarea', 'true');
	await tab.page.click(RUN);
	await tab.says('This device takes no jobs from the web', '#notifications');
	await tab.close();
	await lab.uci('delete', { options: [ 'web_jobs' ] });
	await lab.uci('apply');
	await lab.until(({ options }) => options.web_jobs.value == '1', 'config');
});

test('the settings group edits, and the running agent follows', async () => {
	const tab = await browser.tab();
	const { page } = tab;
	const field = (name) => page.locator(`[data-name="${name}"]`);
	const before = await lab.ask('status');

	await tab.open(lab, 'settings', 'settings');
	assert.deepEqual(await page.locator('#menu a').allInnerTexts(), [ 'Overview', 'Jobs', 'Settings' ]);
	await page.locator('summary', { hasText: 'Reports' }).click();
	await field('monitor').locator('input').fill('21');
	await field('survey_interval').locator('input').fill('7200');
	await page.locator('summary', { hasText: 'Broker' }).click();
	assert.equal(await field('password').locator('input').getAttribute('type'), 'password');
	await field('disable_mqtt').locator('select').selectOption('0');
	await Promise.all([ page.waitForEvent('load'), page.click('text=Save & Apply') ]);

	const { options } = await lab.until(({ options }) => options.monitor.value == '21', 'config');

	assert.match(options.monitor.source, /etc\/config\/socketman$/);
	assert.match(options.disable_mqtt.source, /etc\/config\/socketman$/);
	assert.equal(options.survey_interval.value, '7200');

	const after = await lab.ask('status');

	assert.ok(after.uptime >= before.uptime, 'the agent was started again');

	/* The page came back with what holds now. */
	await page.locator('summary', { hasText: 'Reports' }).click();
	assert.equal(await field('monitor').locator('input').inputValue(), '21');
	await tab.says('set here', '[data-name="monitor"]');
	await field('monitor').locator('input').fill('');
	await page.click('text=Save & Apply');
	await lab.until(({ options }) => options.monitor.source == 'default', 'config');
	await tab.close();
});

test('what cannot be is not saved', async () => {
	const tab = await browser.tab();

	await tab.open(lab, 'settings', 'settings');
	await tab.page.locator('summary', { hasText: 'Server' }).click();
	await tab.page.locator('[data-name="stats_url"] input').fill('example.net');
	await tab.page.click('text=Save & Apply');
	await tab.says('an address that begins with http', '#notifications');
	assert.notEqual((await lab.ask('config')).options.stats_url.value, 'example.net');
	await tab.close();
});

test('the agent reads its settings again when a person asks', async () => {
	const tab = await browser.tab();

	await tab.open(lab, 'settings', 'settings');
	await tab.page.click('text=Read settings again');
	await tab.page.waitForFunction(() => !document.querySelector('button.spinning'));
	assert.equal(await tab.page.locator('#notifications > *').count(), 0);
	await tab.close();
});
