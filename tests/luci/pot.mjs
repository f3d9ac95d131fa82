/* The template of translations, in the form of LuCI's build/i18n-scan.pl: node pot.mjs writes it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { APP, files, read } from './app.mjs';

export const POT = 'po/templates/socketman.pot';

const HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n';

const STRING = String.raw`'((?:[^'\\]|\\.)*)'`;

const ONE = new RegExp(String.raw`\b_\(${STRING}\)`, 'g');

/* N_(number, one, many): the number may be a call; each may stand on a line of its own. */
const MANY = new RegExp(String.raw`\bN_\([\w.]+,\s*${STRING},\s*${STRING}\)`, 'g');

/* Texts of one file, the second for more than one if there are two, with the lines they stand in. */
function texts(path) {
	const source = read('luci-app-socketman', path);
	const wanted = path.endsWith('.js') ? [ ONE, MANY ]
		: [ path.includes('/menu.d/') ? /"title": "([^"]*)"/g : /"description": "([^"]*)"/g ];

	return wanted.flatMap((pattern) => Array.from(source.matchAll(pattern), ({ index, 0: whole, 1: one, 2: many }) => ({
		one: one.replace(/\\'/g, '\''),
		many,
		line: source.slice(0, index + whole.indexOf(one)).split('\n').length
	})));
}

export function template() {
	const places = new Map();

	for (const path of [ ...files('htdocs'), ...files('root') ].filter((path) => /\.js(on)?$/.test(path)).sort())
		for (const { one, many, line } of texts(path).sort((a, b) => a.line - b.line)) {
			const text = places.get(one) ?? { lines: [] };

			text.many ??= many;
			text.lines.push(`#: luci-app-socketman/${path}:${line}`);
			places.set(one, text);
		}

	const messages = Array.from(places).sort(([ a ], [ b ]) => a < b ? -1 : 1)
		.map(([ one, { many, lines } ]) => `${lines.join('\n')}\nmsgid ${JSON.stringify(one)}\n${many == null
			? 'msgstr ""\n'
			: `msgid_plural ${JSON.stringify(many)}\nmsgstr[0] ""\nmsgstr[1] ""\n`}`);

	return [ HEAD, ...messages ].join('\n');
}

if (process.argv[1] == fileURLToPath(import.meta.url))
	writeFileSync(join(APP, POT), template());
