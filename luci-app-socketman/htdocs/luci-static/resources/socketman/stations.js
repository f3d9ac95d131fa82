'use strict';
'require baseclass';
'require dom';
'require socketman.words as words';

/* The weakest signal of each number of bars, dBm. */
const BARS = [ -85, -75, -65, -55 ];

function bars(dbm) {
	const lit = BARS.filter((weakest) => dbm >= weakest).length;

	return E('span', { 'class': 'sm-bars', 'aria-hidden': 'true' },
		BARS.map((_weakest, i) => E('i', { 'class': i < lit ? 'sm-lit' : '', 'style': 'height:%d%%'.format(i * 22 + 34) })));
}

/* value: what is sorted by and compared; show: what stands in the cell, the value unless given. */
const COLUMNS = [
	{ title: _('Name'), value: (s) => s.name ?? '', show: words.foreign },
	{ title: _('MAC address'), value: (s) => s.mac },
	{
		title: _('Address'),
		value: (s) => s.ip ?? s.ip6 ?? '',
		order: (s) => `${s.ip ?? s.ip6 ?? ''}`.split('.').map((part) => part.padStart(3, '0')).join('.')
	},
	{ title: _('Network'), value: (s) => s.ssid ?? s.interface ?? '', show: words.foreign },
	{ title: _('Band'), value: (s) => s.band },
	{
		title: _('Signal'),
		value: (s) => s.signal ?? null,
		show: (dbm) => E('span', { 'class': 'sm-signal' }, dbm == null ? [] : [ bars(dbm), _('%d dBm').format(dbm) ])
	},
	{
		title: _('To / from, Mbit/s'),
		value: (s) => s.tx_bitrate ?? null,
		text: (s) => [ s.tx_bitrate, s.rx_bitrate ].map((kbits) => kbits == null ? '-' : (kbits / 1000).toFixed(1)).join(' / ')
	},
	{ title: _('Connected for'), value: (s) => s.conn_time ?? null, text: (s) => s.authorized === false ? _('not let in yet') : s.conn_time == null ? '' : words.span(s.conn_time) }
];

const compare = (a, b) => typeof(a) == 'number' ? a - b : a.localeCompare(b);

return baseclass.extend({
	__init__() {
		this.rows = new Map();
		this.column = 0;
		this.descending = false;
		this.words = '';
		this.body = E('tbody');
		this.count = E('span', { 'class': 'sm-count', 'role': 'status' });
		this.heads = COLUMNS.map((column, i) => E('th', { 'class': 'th', 'scope': 'col' }, [
			E('button', { 'type': 'button', 'class': 'sm-plain', 'click': () => this.sortBy(i) }, [ column.title ])
		]));
	},

	render() {
		this.markHeads();

		return E('div', { 'class': 'cbi-section' }, [
			E('div', { 'class': 'sm-bar' }, [
				E('h3', [ _('Stations') ]),
				this.count,
				E('input', {
					'type': 'text',
					'class': 'cbi-input-text',
					'placeholder': _('Filter'),
					'aria-label': _('Filter stations'),
					'input': (ev) => {
						this.words = ev.target.value.toLowerCase();
						this.filter();
					}
				})
			]),
			E('div', { 'class': 'sm-scroll' }, [
				E('table', { 'class': 'table' }, [
					E('thead', [ E('tr', { 'class': 'tr table-titles' }, this.heads) ]),
					this.body
				])
			])
		]);
	},

	/* Brings the table up to date with a report; rows of stations that stay are kept. */
	update(report) {
		const bands = {};
		const seen = new Set();

		for (const network of report?.ssids ?? [])
			bands[network.interface] = words.band(network.band);

		for (const station of report?.stations ?? []) {
			const key = '%s %s'.format(station.mac, station.interface ?? '');
			const row = this.rows.get(key) ?? this.add(key);

			seen.add(key);
			this.fill(row, { ...station, band: bands[station.interface] ?? '' });
		}

		for (const [ key, row ] of this.rows)
			if (!seen.has(key)) {
				row.node.remove();
				this.rows.delete(key);
			}

		this.arrange();
		this.filter();
	},

	add(key) {
		const cells = COLUMNS.map((column) => E('td', { 'class': 'td', 'data-title': column.title }));
		const row = { cells, shown: [], node: E('tr', { 'class': 'tr' }, cells) };

		this.rows.set(key, row);

		return row;
	},

	fill(row, station) {
		row.station = station;
		row.node.classList.toggle('sm-out', station.authorized === false);

		COLUMNS.forEach((column, i) => {
			const value = column.text ? column.text(station) : column.value(station);

			if (row.shown[i] === value)
				return;

			row.shown[i] = value;
			dom.content(row.cells[i], [ column.show ? column.show(value) : value ]);
		});

		row.text = row.shown.join(' ').toLowerCase();
	},

	sortBy(column) {
		this.descending = this.column == column && !this.descending;
		this.column = column;
		this.markHeads();
		this.arrange();
	},

	markHeads() {
		this.heads.forEach((head, i) => {
			if (i == this.column)
				head.setAttribute('aria-sort', this.descending ? 'descending' : 'ascending');
			else
				head.removeAttribute('aria-sort');
		});
	},

	arrange() {
		const column = COLUMNS[this.column];
		const order = column.order ?? column.value;
		const sign = this.descending ? -1 : 1;
		const known = [];
		const unknown = [];

		for (const row of this.rows.values()) {
			row.order = order(row.station);
			(row.order === null || row.order === '' ? unknown : known).push(row);
		}

		known.sort((a, b) => compare(a.order, b.order) * sign);

		/* What is not known comes last in either direction. */
		const rows = known.concat(unknown);

		/* Moves only what is not where it should be. */
		let here = this.body.firstChild;

		for (const { node } of rows) {
			if (node === here)
				here = here.nextSibling;
			else
				this.body.insertBefore(node, here);
		}
	},

	filter() {
		let shown = 0;

		for (const row of this.rows.values()) {
			const fits = row.text.includes(this.words);

			row.node.hidden = !fits;
			shown += fits;
		}

		dom.content(this.count, [ shown == this.rows.size
			? '%d'.format(shown)
			: _('%d of %d').format(shown, this.rows.size) ]);
	}
});
