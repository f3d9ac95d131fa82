/* The template of translations, in the form of LuCI's build/i18n-scan.pl: node pot.mjs writes it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { APP, files, read } from './app.mjs';

export const POT = 'po/templates/socketman.pot';

const HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n';

/* Texts of one file with the lines they stand in. */
function texts(path) {
	const wanted = path.endsWith('.js')
		? /\b_\('((?:[^'\\]|\\.)*)'\)/g
		: path.includes('/menu.d/') ? /"title": "([^"]*)"/g : /"description": "([^"]*)"/g;

	return read('luci-app-socketman', path).split('\n').flatMap((line, i) =>
		Array.from(line.matchAll(wanted), ([ , text ]) => [ text.replace(/\\'/g, '\''), i + 1 ]));
}

export function template() {
	const places = new Map();

	for (const path of [ ...files('htdocs'), ...files('root') ].filter((path) => /\.js(on)?$/.test(path)).sort())
		for (const [ text, line ] of texts(path))
			places.set(text, [ ...places.get(text) ?? [], `#: luci-app-socketman/${path}:${line}` ]);

	const messages = Array.from(places).sort(([ a ], [ b ]) => a < b ? -1 : 1)
		.map(([ text, lines ]) => `${lines.join('\n')}\nmsgid ${JSON.stringify(text)}\nmsgstr ""\n`);

	return [ HEAD, ...messages ].join('\n');
}

if (process.argv[1] == fileURLToPath(import.meta.url))
	writeFileSync(join(APP, POT), template());
