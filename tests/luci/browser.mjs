/* Headless Chromium, and what it received and complained of. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { chromium } from 'playwright-core';

import { DEADLINE } from './lab.mjs';

/* Where pictures go. */
export const OUT = process.env.SOCKETMAN_OUT ?? new URL('out', import.meta.url).pathname;

export class Browser {
	static async start() {
		const browser = new Browser();

		mkdirSync(OUT, { recursive: true });
		browser.chromium = await chromium.launch({
			executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
			/* The tests run as root in a container of their own. */
			args: [ '--no-sandbox' ]
		});

		return browser;
	}

	/* A page of its own with nothing in it yet; options are those of a context of playwright. */
	async tab(options = {}) {
		const context = await this.chromium.newContext({ viewport: { width: 1400, height: 900 }, ...options });

		context.setDefaultTimeout(DEADLINE);

		await context.addInitScript(watch, SLIPS);

		return new Tab(await context.newPage());
	}

	end() {
		return this.chromium.close();
	}
}

/* What a page says when it was given nothing, or something else than it expects. */
const SLIPS = String.raw`\b(undefined|NaN|null)\b|\[object`;

/*
 * Runs in every page before anything else: complains of each slip in a text or an attribute, for however
 * short a time it stands there.
 */
function watch(slips) {
	const slip = new RegExp(slips);
	const said = new Set();

	const complain = (text, place) => {
		const words = `${place.nodeName.toLowerCase()}: ${text.trim().slice(0, 200)}`;

		if (slip.test(text) && !said.has(words)) {
			said.add(words);
			console.error(`a slip in ${words}`);
		}
	};

	const look = (node) => {
		if (node.nodeType == Node.TEXT_NODE)
			return complain(node.data, node.parentNode ?? node);

		if (node.nodeType != Node.ELEMENT_NODE || [ 'SCRIPT', 'STYLE' ].includes(node.nodeName))
			return;

		for (const { name, value } of node.attributes)
			complain(`${name}="${value}"`, node);

		node.childNodes.forEach(look);
	};

	new MutationObserver((changes) => {
		for (const { type, target, addedNodes, attributeName } of changes)
			if (type == 'attributes')
				complain(`${attributeName}="${target.getAttribute(attributeName) ?? ''}"`, target);
			else if (type == 'characterData')
				look(target);
			else if (![ 'SCRIPT', 'STYLE' ].includes(target.nodeName))
				addedNodes.forEach(look);
	}).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
}

/* The calls of a request to /ubus, which is one or a list of them. */
export const callsOf = (route) => [].concat(route.request().postDataJSON());

/* Answers to them, in the form of the request. */
export const framed = (route, answers) => Array.isArray(route.request().postDataJSON()) ? answers : answers[0];

export class Tab {
	constructor(page) {
		this.page = page;
		this.complaints = [];
		this.received = [];
		/* Every call of /ubus, as `object method`. */
		this.calls = [];
		/* Requests without an answer. */
		this.waiting = new Set();

		page.on('console', (message) => [ 'error', 'warning' ].includes(message.type()) && this.complaints.push(message.text()));
		page.on('pageerror', (error) => this.complaints.push(`${error.stack}`));
		page.on('dialog', (dialog) => {
			this.complaints.push(`a dialog: ${dialog.message()}`);
			dialog.dismiss();
		});
		page.on('requestfinished', (request) => this.waiting.delete(request));
		page.on('requestfailed', (request) => this.waiting.delete(request));
		page.on('request', (request) => {
			this.waiting.add(request);

			if (new URL(request.url()).pathname == '/ubus')
				this.calls.push(...[].concat(request.postDataJSON()).map(({ params: [ , object, method ] }) => `${object} ${method}`));
		});
		page.on('response', (response) => this.received.push(response.text().catch(() => '')));
	}

	/* Opens a view as this user and waits until it is drawn. */
	async open(lab, user, view) {
		/* The same page with another fragment alone would not be loaded again. */
		await this.page.goto('about:blank');
		await this.page.goto(lab.address(user, view));
		await this.page.waitForSelector(`#socketman-${view}`);
	}

	/* Changes the data of the agent's replies on their way to the page. */
	async change(change) {
		await this.page.route('**/ubus', async (route) => {
			const calls = callsOf(route);
			const response = await route.fetch();
			const answers = [].concat(await response.json());

			calls.forEach(({ params: [ , object, method, args ] }, i) => {
				if (object == 'socketman')
					answers[i] = change(method, answers[i], args) ?? answers[i];
			});

			await route.fulfill({ response, json: framed(route, answers) });
		});
	}

	text(selector = '#view') {
		return this.page.innerText(selector);
	}

	/* Waits until a part of the page says this; within so many ms. */
	async says(words, selector = '#view', within = DEADLINE) {
		const place = this.page.locator(selector);

		await place.filter({ hasText: words }).first().waitFor({ timeout: within }).catch(async () => {
			assert.fail(`not within ${within} ms: ${words} in ${selector}:\n${await place.first().innerText()}`);
		});
	}

	/* Waits until every answer has come and what follows from them is done, but for what waits for time to pass. */
	async atRest() {
		while (this.waiting.size)
			await wait(5);

		await this.page.evaluate(() => new Promise((resolve) => {
			const { port1, port2 } = new MessageChannel();

			port1.onmessage = resolve;
			port2.postMessage(0);
		}));
	}

	picture(name, options = {}) {
		return this.page.screenshot({ path: join(OUT, `${name}.png`), ...options });
	}

	/* Everything that came so far. */
	async bytes() {
		return (await Promise.all(this.received)).join('\n');
	}

	/* Closes the page; it must not have complained. */
	async close() {
		await this.page.unrouteAll({ behavior: 'wait' });
		await this.page.context().close();
		assert.deepEqual(this.complaints, []);
	}
}
