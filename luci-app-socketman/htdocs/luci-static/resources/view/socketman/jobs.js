'use strict';
'require view';
'require poll';
'require dom';
'require socketman.rpc as api';
'require socketman.runbox as runbox';
'require socketman.style as style';
'require socketman.words as words';

/* s */
const EVERY = 5;
const LIVE_EVERY = 2;

const COLUMNS = [ _('Started'), _('State'), _('Duration'), _('Exit code'), _('Type'), _('From'), _('Job') ];

const STATES = {
	queued: [ 'none', _('queued') ],
	running: [ 'none', _('running') ],
	done: [ 'good', _('done') ],
	failed: [ 'bad', _('failed') ],
	rejected: [ 'warn', _('rejected') ],
	interrupted: [ 'warn', _('interrupted') ]
};

const SOURCES = { mqtt: _('broker'), ubus: _('this device') };

const ask = () => api.jobs().then(({ jobs }) => ({ jobs }), (err) => ({ err }));

const underWay = (job) => job.state == 'queued' || job.state == 'running';

function cells(job) {
	const [ level, state ] = STATES[job.state] ?? [ 'none', job.state ];

	return [
		job.started == null ? '' : words.time(job.started),
		E('span', { 'class': 'sm-state sm-%s'.format(level) }, [ state ]),
		job.duration_ms == null ? '' : words.milliseconds(job.duration_ms),
		words.foreign(job.exit_code),
		words.foreign(job.type || _('command')),
		SOURCES[job.source] ?? '',
		words.foreign(job.id)
	];
}

function stream(title, text, otherwise) {
	return [
		E('h5', [ title ]),
		text ? E('pre', { 'tabindex': '0' }, [ text ]) : E('p', [ E('em', [ otherwise ]) ])
	];
}

function output(job) {
	const nothing = underWay(job) ? _('nothing yet') : _('empty');
	const notes = [
		job.reason && words.foreign(job.reason),
		job.signal != null && _('Ended by signal %d.').format(job.signal),
		job.truncated && _('There was more output than is kept.')
	].filter(Boolean);

	return [
		...stream(_('Command'), job.command, _('none')),
		...notes.map((note) => E('p', [ note ])),
		...stream(_('Output'), job.output, nothing),
		...stream(_('Errors'), job.stderr, nothing)
	];
}

/* Texts stay where they were scrolled to; one that ended in sight ends in sight. */
function replace(place, content) {
	const texts = () => Array.from(place.querySelectorAll('pre'));
	const tops = texts().map((text) => text.scrollTop + text.clientHeight + 1 < text.scrollHeight ? text.scrollTop : Infinity);

	dom.content(place, content);
	texts().forEach((text, i) => { text.scrollTop = Math.min(tops[i] ?? 0, text.scrollHeight); });
}

return view.extend({
	load() {
		return Promise.all([ ask(), api.may('job'), api.may('run_job'), style.load() ]);
	},

	render([ facts, mayLook, mayRun ]) {
		this.mayLook = mayLook;
		this.rows = new Map();
		this.message = E('p', { 'role': 'status' });
		this.body = E('tbody');
		this.page = E('div', { 'class': 'sm', 'id': 'socketman-jobs' }, [
			E('h2', [ _('Jobs') ]),
			mayRun ? runbox.render((id) => this.ran(id)) : '',
			E('div', { 'class': 'cbi-section' }, [
				E('h3', [ _('Recent jobs') ]),
				this.message,
				E('div', { 'class': 'sm-scroll' }, [
					E('table', { 'class': 'table' }, [
						E('thead', [ E('tr', { 'class': 'tr table-titles' },
							COLUMNS.map((title) => E('th', { 'class': 'th', 'scope': 'col' }, [ title ]))) ]),
						this.body
					])
				])
			])
		]);

		this.update(facts);
		poll.add(() => this.refresh(), EVERY);

		return this.page;
	},

	refresh() {
		return ask().then((facts) => this.update(facts));
	},

	update({ jobs, err }) {
		this.page.classList.toggle('sm-gone', !jobs);
		dom.content(this.message, [ err ? api.reason(err) : jobs?.length === 0 ? _('None since the agent started.') : '' ]);

		if (!jobs)
			return;

		const gone = new Set(this.rows.keys());

		for (const job of jobs.slice().reverse()) {
			gone.delete(job.id);
			this.fill(this.rows.get(job.id) ?? this.add(job.id), job);
		}

		for (const id of gone) {
			const row = this.rows.get(id);

			row.node.remove();
			row.detail.remove();
			this.rows.delete(id);
		}
	},

	/* Adds a job above all others. */
	add(id) {
		const row = {
			cells: COLUMNS.map((title) => E('td', { 'class': 'td', 'data-title': title })),
			detail: E('tr', { 'class': 'tr', 'hidden': '' })
		};

		row.place = E('td', { 'class': 'td', 'colspan': COLUMNS.length });
		row.detail.appendChild(row.place);
		row.node = E('tr', { 'class': 'tr' }, row.cells);

		if (this.mayLook)
			row.toggle = E('button', {
				'type': 'button',
				'class': 'sm-plain',
				'aria-expanded': 'false',
				'click': () => this.expand(id, row.detail.hidden)
			});

		this.rows.set(id, row);
		this.body.prepend(row.node, row.detail);

		return row;
	},

	fill(row, job) {
		const known = JSON.stringify(job);

		if (row.known == known)
			return;

		row.known = known;
		row.job = job;

		const shown = cells(job);

		if (row.toggle) {
			dom.content(row.toggle, [ shown.pop() ]);
			shown.push(row.toggle);
		}

		shown.forEach((content, i) => dom.content(row.cells[i], [ content ]));

		if (!row.detail.hidden)
			this.show(job.id, row);
	},

	expand(id, open) {
		const row = this.rows.get(id);

		row.detail.hidden = !open;
		row.toggle.setAttribute('aria-expanded', open);

		return open ? this.show(id, row) : Promise.resolve();
	},

	/* Shows a job; while it is under way and its row open, again and again. */
	show(id, row) {
		const turn = row.turn = {};
		const isShown = () => row.turn == turn && row.place.isConnected && !row.detail.hidden;

		return api.job(id).then((job) => {
			if (!isShown())
				return;

			const known = JSON.stringify(job);

			if (row.shown != known)
				replace(row.place, output(job));

			row.shown = known;

			if (underWay(job))
				window.setTimeout(() => isShown() && this.show(id, row), LIVE_EVERY * 1000);
			else if (underWay(row.job))
				return this.refresh();
		}).catch((err) => {
			row.shown = null;
			dom.content(row.place, [ E('p', [ api.reason(err) ]) ]);
		});
	},

	/* A job was given to the agent: shows it. */
	ran(id) {
		return this.refresh().then(() => this.mayLook && this.rows.has(id) && this.expand(id, true));
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
