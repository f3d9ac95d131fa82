/* What the agent does not know is null in its replies, or absent (docs/ubus.md): the page then says less, and nothing false. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { read } from './app.mjs';
import { Browser } from './browser.mjs';
import { Lab } from './lab.mjs';

const NOW = 1_800_000_000;

/* The clock that all times are compared with, what the verdict stands in, and the outcome of a delivery: never absent. */
const ALWAYS = [ 'now', 'health', 'accepted' ];

/* Every member of status, each number as it is shown standing there once; online, and little else works. */
const ONLINE = {
	version: '7.31.4', now: NOW, uptime: 12 * 60, seq: 71, mac: '94:83:c4:a1:b2:00', mac_source: 'the board\'s label', stations: 19,
	config: {
		errors: [ { option: 'monitor', source: '/etc/config/socketman', line: 113, reason: 'not a number' } ],
		warnings: [ { option: 'token', source: '/etc/socketman/config.json', line: 114, reason: 'readable by all' } ]
	},
	sources: { missing: [ 'dhcp ipv4leases' ] },
	health: {
		code: 9, verdict: 'ok', since: NOW - 13 * 60, next_probe: NOW + 14,
		evidence: {
			proof: 'api', doubt: true, degraded: true, lost: 'carrier of eth1', server: 'api.example: status 503',
			broker: { reached: false, error: 'refused' }, api: { reached: true, error: 'late' },
			probe: {
				at: NOW - 15, ms: 1600, route: { found: false, device: 'eth1', gateway: '192.0.2.1', carrier: true, address: true },
				gateways: [ { address: '192.0.2.1', answers: 'yes', ms: 17 } ],
				lookup: { name: 'openwrt.org', ms: 18, result: 'dead', addresses: [ '192.0.2.2' ], error: 'no answer within 3 s' },
				resolvers: [ { address: '192.0.2.3', system: true, ms: 20, result: 'dead', addresses: [], error: 'SERVFAIL', own_dead: true } ],
				connect: { to: '192.0.2.4:443', ms: 21, error: 'unreachable' },
				web: { url: 'http://check.example/', ms: 22, result: 'foreign', status: 302, location: 'http://portal.example/', lookup: 'found', addresses: [ '192.0.2.5' ] }
			}
		},
		uplink: { interface: 'wan', device: 'eth1', shared: true }, own_resolver_dead: true
	},
	mqtt: {
		connected: false, host: 'broker.example:8883', since: NOW - 23 * 60, reconnects: 24, last_error: 'timed out', next_attempt: NOW + 25,
		skipped: 26, foreign: 27, live_off: true
	},
	api: { last_ok: NOW - 28 * 60, host: 'api.example', last_error: 'status 500', next_attempt: NOW + 29 },
	rest: { last_ok: NOW - 30 * 60, host: 'rest.example', last_error: 'status 501', next_attempt: NOW + 31 },
	spool: { reports: 32, set_aside: 33, bytes: 34, oldest: NOW - 35 * 60, thinned: 36, dropped: 37, flash_today: 38, last_error: 'read-only' },
	jobs: { queued: 39, running: 40, done: 41, failed: 42, rejected: 43, given_up: 44, durable: true, kept: false, ids: 45 },
	recovery: {
		step: 'down_up', since: NOW - 46 * 60, why: 'the gateway was silent', tried: [ { step: 'renew', at: NOW - 47 * 60, error: 'no such method' } ],
		next: { step: 'reboot', at: NOW + 48 }, reboots_24h: 49, reboots_left: 50
	},
	boot: { cause: 'watchdog', at: NOW - 51 * 60 },
	guard: { armed: true, until: NOW + 52, job: 'vlan-53' },
	provision: {
		state: 'trial', since: NOW - 54 * 60, server: 'init.example', last_error: 'status 404', next_attempt: NOW + 55,
		refused_keys: [ 'job_pubkey' ], at: NOW - 56 * 60
	},
	upgrade: { state: 'fetching', id: 'up-57', since: 58, received: 59, size: 60, begins: 61, error: 'reset' },
	radios: [ { name: 'radio0', up: true, verdict: 'not_beaconing', since: NOW - 57 * 60, restarts: 62 } ],
	starts: { count: 63, held_until: NOW + 53, error: 'no directory' }
};

/* An outage, with a session that has not noticed it yet. */
const OFFLINE = { ...ONLINE, mqtt: { ...ONLINE.mqtt, connected: true }, health: { ...ONLINE.health, code: 1, verdict: 'server_unreachable' } };

const REPORT = {
	ssids: [ { interface: 'wlan0', ssid: 'house', band: '5g', channel: 36, radio: 'radio0', clients: 1 } ],
	stations: [
		{
			interface: 'wlan0', ssid: 'house', mac: '02:00:00:00:00:01', signal: -64, tx_bitrate: 6500, rx_bitrate: 7200, authorized: true,
			conn_time: 66 * 60, ip: '192.0.2.67', ip6: '2001:db8::68', name: 'anna', source: 'hostapd'
		},
		{ mac: '02:00:00:00:00:02', interface: 'wlan0', ssid: 'house', signal: -69, tx_bitrate: 7000, rx_bitrate: 7100, authorized: true, conn_time: 72 * 60, ip: '192.0.2.73', name: 'bert' }
	],
	dhcp: [ { mac: '02:00:00:00:00:01', ip: '192.0.2.67', name: 'anna', expires: NOW + 74 } ],
	device: { mac: '94:83:c4:a1:b2:00' },
	radios: [ { name: 'radio0', band: '5g', channel: 36, up: true, verdict: 'ok', airtime: { utilization: 255, busy: 9, time: 10 } } ],
	more: false
};

const HISTORY = {
	at: [ NOW - 600, NOW - 300, NOW ], stations: [ 75, 76, 77 ], rx_rate: [ 78, 79, 80 ], tx_rate: [ 81, 82, 83 ],
	load: [ 0.25, 0.5, 0.75 ], ram: [ 84, 85, 86 ], health: [ 9, 1, 9 ]
};

const JOB = {
	id: 'job-87', type: 'reboot', state: 'failed', started: NOW - 88 * 60, duration_ms: 89, exit_code: 90, success: false, source: 'mqtt'
};

const DETAIL = {
	...JOB, command: 'echo 91', output: 'output 92', stderr: 'errors 93', truncated: true, signal: 94, rolled_back: true, reason: 'timed out'
};

const CONFIG = {
	options: { monitor: { value: '95', source: 'command line' }, 'health-url': { value: 'host-96', source: '/etc/socketman/config.json', closed: true } },
	errors: ONLINE.config.errors, warnings: ONLINE.config.warnings
};

const DELIVERED = { accepted: 97, host: 'api.example' };

const REFUSED = { accepted: 0, error: 'status 503' };

const NOTHING_SENT = { accepted: 0 };

/* The place of every member in a reply, those of the members of lists too. */
function* members(value, path = []) {
	for (const key of Object.keys(value)) {
		if (!Array.isArray(value))
			yield [ ...path, key ];

		if (value[key] && typeof(value[key]) == 'object')
			yield* members(value[key], [ ...path, key ]);
	}
}

function changed(reply, path, change) {
	const copy = structuredClone(reply);

	change(path.slice(0, -1).reduce((at, key) => at[key], copy), path.at(-1));

	return copy;
}

const nullify = (at, key) => { at[key] = null; };

const remove = (at, key) => { delete at[key]; };

/* Every plain value null, or absent; lists and objects stay. */
function bare(value, change) {
	const copy = structuredClone(value);

	for (const path of members(value)) {
		const at = path.slice(0, -1).reduce((at, key) => at[key], copy);

		if (!ALWAYS.includes(path.at(-1)) && (at[path.at(-1)] === null || typeof(at[path.at(-1)]) != 'object'))
			change(at, path.at(-1));
	}

	return copy;
}

/* A reply with each member null, each absent, all at once: { what, reply }. */
function lacking(reply) {
	const one = [ ...members(reply) ].filter((path) => !ALWAYS.includes(path.join('.')));

	return [
		...one.map((path) => ({ what: `${path.join('.')} is null`, reply: changed(reply, path, nullify) })),
		...one.map((path) => ({ what: `${path.join('.')} is absent`, reply: changed(reply, path, remove) })),
		{ what: 'all is null', reply: bare(reply, nullify) },
		{ what: 'all is absent', reply: bare(reply, remove) }
	];
}

let lab, browser, tab;

before(async () => {
	browser = await Browser.start();
	lab = await Lab.start('--stations', '0');
	tab = await browser.tab();
});

after(async () => {
	await tab?.close();
	await browser?.end();
	await lab?.end();
});

/*
 * Runs in the page: the view is made once more, and shown one reply after the other in place of the agent's. A reply
 * that a button asks for is shown above the page.
 */
async function show({ view, method, replies, others, press }) {
	const place = document.querySelector(press ? '#notifications' : '#view');
	const api = await L.require('socketman.rpc');
	const answers = { ...others };

	for (const name of Object.keys(others))
		api[name] = () => Promise.resolve(answers[name]);

	const page = await L.require(`view.socketman.${view}`);

	await page.made;

	const seen = [];

	for (const { what, reply } of replies) {
		answers[method] = reply;

		let error = null;

		try {
			/* As if it had not been asked for yet. */
			Object.assign(page, { seq: null, historyDue: 0 });
			await (page.refresh ? page.refresh() : page.__init__());

			for (const row of page.rows?.values() ?? [])
				await page.expand(row.job.id, true);

			for (const button of document.querySelectorAll('#view button'))
				if (button.textContent == press) {
					place.replaceChildren();
					button.click();

					while (!place.textContent)
						await new Promise((resolve) => setTimeout(resolve));
				}
		} catch (err) {
			error = `${err.stack}`;
		}

		const texts = [];
		const walk = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);

		while (walk.nextNode())
			texts.push(walk.currentNode.data.trim());

		seen.push({ what, error: error ?? place.querySelector('.alert-message.error')?.textContent ?? null, texts: texts.filter(Boolean) });
	}

	return seen;
}

const numbers = (texts) => texts.join('\n').match(/\d+/g) ?? [];

/* A place for a value in which there is none. */
const HOLE = /\b(undefined|NaN|null)\b|\[object|^[,:]|[,:]$|[,:] +[,:]/;

/* Every text in a reply. */
const textsOf = (value) => typeof(value) == 'string' ? [ value ] : Object.values(value ?? {}).flatMap(textsOf);

/*
 * Shows a view the whole replies, and each with all that it may lack. The page has to go on, and no number is said
 * that neither a whole reply nor a text of this one has.
 */
async function lacks({ view, method, press }, ...wholes) {
	const others = { status: ONLINE, stats: REPORT, history: HISTORY, jobs: { jobs: [ JOB ] }, job: DETAIL, config: CONFIG, probe: ONLINE.health, upload: DELIVERED };
	const replies = wholes.map((reply) => ({ what: 'nothing is absent', reply })).concat(...wholes.map(lacking));

	await tab.open(lab, 'root', view);

	const seen = await tab.page.evaluate(show, { view, method, replies, others, press });
	const shown = numbers(seen.slice(0, wholes.length).flatMap(({ texts }) => texts));
	const faults = seen.flatMap(({ what, error, texts }, i) => {
		const allowed = new Set(shown.concat(numbers(textsOf(replies[i].reply))));

		return [
			...(error ? [ error ] : []),
			...texts.filter((text) => HOLE.test(text) || numbers([ text ]).some((number) => !allowed.has(number)))
		].map((fault) => `${what}: ${fault}`);
	});

	assert.equal(seen.length, replies.length);
	assert.deepEqual([ ...new Set(faults), ...tab.complaints.splice(0) ], []);

	return { count: seen.length, said: Object.fromEntries(seen.map(({ what, texts }) => [ what, texts.join('\n') ])) };
}

test('the status that is tried has every member of docs/ubus.md', () => {
	const [ , table ] = read('docs/ubus.md').match(/\n## status\n([^]*?)\n## /);
	const named = table.split('\n').filter((line) => /^\| [a-z]/.test(line) && !/^\| key /.test(line)).flatMap((line) => {
		const [ first, ...more ] = line.split('|')[1].trim().replace('.…', '').split(', ');
		const part = first.replace(/[^.]*$/, '');

		return [ first, ...more.map((name) => name.includes('.') || !part ? name : `${part}${name}`) ];
	});
	const known = new Set([ ...members(ONLINE) ].map((path) => path.join('.').replace(/\.\d+\./g, '[].')));

	assert.ok(named.length > 80, `${named.length}`);
	assert.deepEqual(named.filter((name) => !known.has(name)), []);
});

test('any member of status may be unknown', async (t) => {
	const { count, said } = await lacks({ view: 'overview', method: 'status' }, OFFLINE, ONLINE);

	t.diagnostic(`${count} replies`);
	assert.match(said['nothing is absent'], /^Booted\n51 min ago: the watchdog reset it$/m);

	for (const gone of [ 'is null', 'is absent' ]) {
		assert.match(said[`boot.cause ${gone}`], /^Booted\n51 min ago$/m);
		assert.match(said[`boot.at ${gone}`], /^Booted\nthe watchdog reset it$/m);
		assert.doesNotMatch(said[`all ${gone}`], /Booted/);
	}
});

/* As after a start: times, and no figure. */
const NOTHING_KNOWN = Object.fromEntries(Object.entries(HISTORY).map(([ key, list ]) => [ key, key == 'at' ? list : list.map(() => null) ]));

for (const [ asked, ...replies ] of [
	[ { view: 'overview', method: 'stats' }, REPORT ],
	[ { view: 'overview', method: 'history' }, HISTORY, NOTHING_KNOWN ],
	[ { view: 'overview', method: 'probe', press: 'Check now' }, ONLINE.health, OFFLINE.health ],
	[ { view: 'overview', method: 'upload', press: 'Deliver now' }, DELIVERED, REFUSED, NOTHING_SENT ],
	[ { view: 'jobs', method: 'jobs' }, { jobs: [ JOB ] } ],
	[ { view: 'jobs', method: 'job' }, DETAIL ],
	[ { view: 'settings', method: 'config' }, CONFIG ]
])
	test(`any member of a reply to ${asked.method} may be unknown`, async (t) => {
		const { count } = await lacks(asked, ...replies);

		t.diagnostic(`${count} replies`);
	});
