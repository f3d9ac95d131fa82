'use strict';
'require baseclass';
'require dom';
'require socketman.words as words';

const NS = 'http://www.w3.org/2000/svg';
const WIDTH = 1000;
const HEIGHT = 100;

/* Health codes: how much of the band's height they fill, so that it is readable without colours, and how good they are. */
const CODES = { 0: [ 12, 'bad' ], 1: [ 30, 'bad' ], 4: [ 55, 'warn' ], 6: [ 75, 'good' ], 9: [ 100, 'good' ] };

function svg(tag, attrs, children) {
	const node = document.createElementNS(NS, tag);

	for (const key in attrs)
		node.setAttribute(key, attrs[key]);

	dom.append(node, children);

	return node;
}

/* The next of 1, 2, 3, 5, 10, 20, ... */
function ceiling(n) {
	const power = Math.pow(10, Math.floor(Math.log10(n)));

	return [ 1, 2, 3, 5, 10 ].map((step) => step * power).find((step) => step >= n);
}

function line(at, values, x, top) {
	let path = '';
	let pen = 'M';

	values.forEach((value, i) => {
		if (value == null) {
			pen = 'M';
			return;
		}

		/* A point without neighbours shows as a dot. */
		path += '%s%.1f,%.1f'.format(pen, x(at[i]), HEIGHT - value / top * HEIGHT) + (pen == 'M' ? 'h0' : '');
		pen = 'L';
	});

	return path;
}

function figure(title, legend, drawing, scale, at, now) {
	return [
		E('figcaption', [ E('strong', [ title ]), E('span', { 'class': 'sm-legend' }, legend) ]),
		E('div', { 'class': 'sm-plot' }, [ drawing, E('span', [ scale ]) ]),
		E('div', { 'class': 'sm-axis' }, [
			E('span', [ at.length > 1 ? words.ago(at[0], now) : '' ]),
			E('span', [ at.length ? _('now') : _('nothing yet') ])
		])
	];
}

function drawing(title, children) {
	return svg('svg', {
		'viewBox': '0 0 %d %d'.format(WIDTH, HEIGHT),
		'preserveAspectRatio': 'none',
		'role': 'img'
	}, [ svg('title', {}, [ title ]) ].concat(children));
}

/* Where each run of the same value begins and ends. */
function stretches(values) {
	const starts = values.map((_value, i) => i).filter((i) => i == 0 || values[i] !== values[i - 1]);

	return starts.map((from, i) => [ from, starts[i + 1] ?? values.length ]);
}

function across(at, now) {
	const from = at.length ? at[0] : now;
	const width = Math.max(1, now - from);

	return (time) => Math.min(1, (time - from) / width) * WIDTH;
}

return baseclass.extend({
	/* Lines over time. series: [ { name, values } ], null where a value is not known. */
	lines(node, title, series, at, now, format) {
		const known = series.map((s) => s.values.filter((value) => value != null));
		/* With some room above, where the scale is written. */
		const top = ceiling(Math.max(...known.map((values) => Math.max(0, ...values))) * 1.15 || 1);
		const x = across(at, now);
		const newest = series.map((s, i) => '%s %s'.format(s.name, known[i].length ? format(known[i][known[i].length - 1]) : '-').trim());

		dom.content(node, figure(title,
			newest.map((text, i) => E('span', { 'class': 'sm-series-%d'.format(i) }, [ text ])),
			drawing('%s: %s'.format(title, newest.join(', ')), series.map((s, i) => svg('path', {
				'class': 'sm-series-%d'.format(i),
				'd': line(at, s.values, x, top)
			}))),
			format(top), at, now));
	},

	/* The health codes as a band. */
	band(node, title, codes, at, now, legend) {
		const x = across(at, now);

		dom.content(node, figure(title, [ legend ],
			drawing('%s: %s'.format(title, legend), stretches(codes).map(([ from, to ]) => {
				/* The newest, which has just begun, is to be seen as well. */
				const left = Math.min(x(at[from]), WIDTH - 6);
				const [ height, level ] = CODES[codes[from]] ?? [ 0, 'none' ];

				return svg('rect', {
					'class': 'sm-%s'.format(level),
					'x': left.toFixed(1),
					'y': HEIGHT - height,
					'width': Math.max(6, x(at[to] ?? now) - left).toFixed(1),
					height
				});
			})),
			'', at, now));
	}
});
