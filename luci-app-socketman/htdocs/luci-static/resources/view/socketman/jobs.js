'use strict';
'require view';
'require poll';
'require dom';
'require socketman.rpc as api';
'require socketman.runbox as runbox';
'require socketman.style as style';
'require socketman.words as words';

const EVERY = 5;

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
		dom.content(this.message, [ err ? api.reason(err) : jobs.length ? '' : _('None since the agent started.') ]);

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

	show(id, row) {
		return api.job(id).then(
			(job) => dom.content(row.place, output(job)),
			(err) => dom.content(row.place, [ E('p', [ api.reason(err) ]) ])
		);
	},

	/* A job was given to the agent: shows it, and follows it until it ends. */
	ran(id) {
		return this.refresh().then(() => {
			if (this.mayLook && this.rows.has(id))
				return this.expand(id, true).then(() => this.follow(id));
		}).catch(() => this.refresh());
	},

	follow(id) {
		return api.job(id).then((job) => underWay(job)
			? new Promise((resolve) => window.setTimeout(resolve, 1000)).then(() => this.follow(id))
			: this.refresh());
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
