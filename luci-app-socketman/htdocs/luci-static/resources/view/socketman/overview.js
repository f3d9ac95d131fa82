'use strict';
'require view';
'require poll';
'require dom';
'require ui';
'require socketman.cards as cards';
'require socketman.chart as chart';
'require socketman.rpc as api';
'require socketman.stations as stations';
'require socketman.style as style';
'require socketman.verdict as verdict';
'require socketman.words as words';

/* s; the agent itself takes a point of its history every 5 min. */
const EVERY = 5;
const HISTORY_EVERY = 60;

const BUTTON = 'btn cbi-button cbi-button-action';

const optional = (call) => L.resolveDefault(call, null);

const HEALTH = {
	9: _('online'),
	6: _('web only'),
	4: _('names only'),
	1: _('no internet'),
	0: _('no route')
};

return view.extend({
	load() {
		return Promise.all([ this.ask(), style.load() ]);
	},

	/* The report is asked for when there is a new one, the history when a point may have come. */
	ask() {
		return api.status().then((status) => Promise.all([
			this.seq == null || this.seq !== status.seq || this.uptime > status.uptime ? optional(api.stats()) : null,
			performance.now() < this.historyDue ? null : optional(api.history())
		]).then(([ report, history ]) => ({ status, report, history })), (err) =>
			(api.isGone(err) ? api.enabled() : Promise.resolve()).then((enabled) => ({ err, enabled })));
	},

	refresh() {
		return this.ask().then((facts) => this.update(facts));
	},

	render([ facts ]) {
		const readonly = !L.hasViewPermission();
		const button = (title, call, said, late) => E('button', {
			'class': BUTTON,
			'disabled': readonly || null,
			'click': ui.createHandlerFn(this, () => this.act(title, call, said, late))
		}, [ title ]);

		this.glance = E('div', { 'class': 'sm-glance', 'role': 'status' });
		this.cards = E('div', { 'class': 'sm-grid' });
		this.settings = E('a', { 'class': BUTTON, 'href': L.url('admin/services/socketman/settings') }, [ _('Open the settings') ]);
		this.charts = [ 0, 1, 2, 3 ].map(() => E('figure', { 'class': 'sm-card' }));
		this.charts[3].classList.add('sm-band');
		this.actions = E('div', { 'class': 'sm-bar' }, [
			button(_('Check now'), api.probe, (health) => words.verdict(health.verdict ?? _('not known yet')),
				_('The check goes on. Its result will be shown at the top of this page.')),
			button(_('Deliver now'), api.upload, (answer) => answer.error ?? N_(answer.accepted, '%d report accepted', '%d reports accepted').format(answer.accepted),
				_('The delivery goes on. Its outcome will be shown on the cards Delivery and Queue.'))
		]);
		this.known = E('div', { 'hidden': '' }, [
			this.cards,
			E('div', { 'class': 'sm-grid sm-wide' }, this.charts),
			stations.render()
		]);
		this.page = E('div', { 'class': 'sm', 'id': 'socketman-overview' }, [
			E('h2', [ _('SocketMan') ]),
			E('div', { 'class': 'sm-bar' }, [ this.glance, this.settings, this.actions ]),
			this.known
		]);

		this.update(facts);
		poll.add(() => this.refresh(), EVERY);

		return this.page;
	},

	act(title, call, said, late) {
		return call().then(
			(answer) => ui.addNotification(title, E('p', [ said(answer) ]), 'info'),
			(err) => ui.addNotification(title, E('p', [ api.reason(err, late) ]), api.isLate(err) ? 'info' : 'error')
		).then(() => this.refresh());
	},

	update({ status, report, history, err, enabled }) {
		this.page.classList.toggle('sm-gone', !status);
		this.actions.hidden = !status;

		const glance = status ? verdict.judge(status) : verdict.absent(err, enabled);

		this.settings.hidden = !glance.setUp;

		/* What was known last stays, dimmed, unless this session is not to see it any more. */
		if (!status) {
			this.known.hidden ||= api.isRefused(err);
			this.seq = null;
			this.historyDue = 0;
			glance.next = [ _('asked again in %s').format(words.span(EVERY)) ];

			if (!this.known.hidden)
				glance.why.push(_('What is below was known last.'));

			return this.showGlance(glance);
		}

		this.showGlance(glance);
		this.known.hidden = false;
		this.uptime = status.uptime;

		if (report) {
			this.seq = status.seq;
			this.radios = report.radios;
			stations.update(report);
		}

		dom.content(this.cards, cards.of(status, this.radios));

		if (history?.at) {
			this.history = history;
			this.historyDue = performance.now() + HISTORY_EVERY * 1000;
		}

		if (this.history)
			this.draw(this.history, status);
	},

	showGlance({ level, title, since, why, next, advice }) {
		const lines = [ E('p', { 'class': 'sm-title' }, [ title, ' ', since ? E('span', { 'class': 'sm-since' }, [ since ]) : '' ]) ];

		why.forEach((reason) => lines.push(E('p', [ words.foreign(reason) ])));

		if (advice)
			lines.push(E('p', [ E('em', [ advice ]) ]));

		if (next.length)
			lines.push(E('p', { 'class': 'sm-next' }, [ _('Next: %s').format(next.join(', ')) ]));

		this.glance.className = 'sm-glance sm-%s'.format(level);
		dom.content(this.glance, [ E('span', { 'class': 'sm-mark', 'aria-hidden': 'true' }), E('div', lines) ]);
	},

	draw(history, { now, health: { code } }) {
		const [ people, traffic, load, health ] = this.charts;
		const { at } = history;
		const list = (name) => history[name] ?? [];
		const bits = (name) => list(name).map((bytes) => bytes == null ? null : bytes * 8);

		chart.lines(people, _('Stations'), [ { name: '', values: list('stations') } ], at, now, (n) => '%d'.format(n));
		chart.lines(traffic, _('Traffic'), [
			{ name: _('received'), values: bits('rx_rate') },
			{ name: _('sent'), values: bits('tx_rate') }
		], at, now, words.rate);
		chart.lines(load, _('Load'), [ { name: '', values: list('load') } ], at, now, (n) => n.toFixed(2));
		chart.band(health, _('Health'), list('health').concat([ code ]), at.concat([ now ]), now, HEALTH[code] ?? _('not known yet'));
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
