/* Headless Chromium, and what it received and complained of. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
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

		return new Tab(await context.newPage());
	}

	end() {
		return this.chromium.close();
	}
}

export class Tab {
	constructor(page) {
		this.page = page;
		this.complaints = [];
		this.received = [];

		page.on('console', (message) => [ 'error', 'warning' ].includes(message.type()) && this.complaints.push(message.text()));
		page.on('pageerror', (error) => this.complaints.push(`${error.stack}`));
		page.on('dialog', (dialog) => {
			this.complaints.push(`a dialog: ${dialog.message()}`);
			dialog.dismiss();
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
			const calls = JSON.parse(route.request().postData());
			const response = await route.fetch();
			const answers = await response.json();

			calls.forEach(({ params: [ , object, method ] }, i) => {
				if (object == 'socketman')
					answers[i] = change(method, answers[i]) ?? answers[i];
			});

			await route.fulfill({ response, json: answers });
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
