/* The app's files as they are, and as the feed's luci.mk makes them small. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsmin } from 'jsmin';

export const CHECKOUT = new URL('../..', import.meta.url).pathname;

export const APP = join(CHECKOUT, 'luci-app-socketman');

export const read = (...path) => readFileSync(join(CHECKOUT, ...path), 'utf8');

/* Every file below a directory of the app. */
export function files(directory) {
	return readdirSync(join(APP, directory), { withFileTypes: true }).flatMap((entry) => {
		const path = join(directory, entry.name);

		return entry.isDirectory() ? files(path) : [ path ];
	});
}

/* jsmin is what luci.mk runs; csstidy of it leaves what this leaves; JSON it does not touch. */
export function minified(path) {
	const text = read('luci-app-socketman', path);

	if (path.endsWith('.js'))
		return jsmin(text).trim();

	if (path.endsWith('.css'))
		return text.replace(/\/\*[^]*?\*\//g, '').replace(/\s+/g, ' ').replace(/ ?([{};,>]) ?/g, '$1').replace(/: /g, ':');

	return text;
}
