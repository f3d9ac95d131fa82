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

const EVERY = 5;

/* What the page shows, asked for in one go; the agent may be gone, and then err says why. */
const ask = () => Promise.all([
	api.status(),
	L.resolveDefault(api.stats(), null),
	L.resolveDefault(api.history(), null)
]).then(([ status, report, history ]) => ({ status, report, history }), (err) => ({ err }));

const HEALTH = {
	9: _('online'),
	6: _('web only'),
	4: _('names only'),
	1: _('no internet'),
	0: _('no route')
};

return view.extend({
	load() {
		return Promise.all([ ask(), style.load() ]);
	},

	render([ facts ]) {
		const readonly = !L.hasViewPermission();

		const button = (title, call, said) => E('button', {
			'class': 'btn cbi-button cbi-button-action',
			'disabled': readonly || null,
			'click': ui.createHandlerFn(this, () => this.act(title, call, said))
		}, [ title ]);

		this.glance = E('div', { 'class': 'sm-glance', 'role': 'status' });
		this.cards = E('div', { 'class': 'sm-grid' });
		this.charts = [ 0, 1, 2, 3 ].map(() => E('figure', { 'class': 'sm-card' }));
		this.charts[3].classList.add('sm-band');
		this.page = E('div', { 'class': 'sm', 'id': 'socketman-overview' }, [
			E('h2', [ _('SocketMan') ]),
			E('div', { 'class': 'sm-bar' }, [
				this.glance,
				button(_('Check now'), api.probe, (health) => words.verdict(health.verdict ?? _('not known yet'))),
				button(_('Deliver now'), api.upload, (answer) => answer.error ?? _('%d reports accepted').format(answer.accepted))
			]),
			this.cards,
			E('div', { 'class': 'sm-grid sm-wide' }, this.charts),
			stations.render()
		]);

		this.update(facts);
		poll.add(() => ask().then((facts) => this.update(facts)), EVERY);

		return this.page;
	},

	act(title, call, said) {
		return call().then(
			(answer) => ui.addNotification(title, E('p', [ said(answer) ]), 'info'),
			(err) => ui.addNotification(title, E('p', [ api.reason(err) ]), 'error')
		).then(ask).then((facts) => this.update(facts));
	},

	update({ status, report, history, err }) {
		this.page.classList.toggle('sm-gone', !status);
		this.showGlance(status ? verdict.judge(status) : {
			level: 'bad',
			title: _('The agent does not answer'),
			why: [ api.reason(err) ],
			next: [ _('asked again in %s').format(words.span(EVERY)) ],
			advice: _('Start it under System, Startup. Below is what was known last.')
		});

		/* What was known last stays, dimmed. */
		if (!status)
			return;

		dom.content(this.cards, cards.of(status));
		stations.update(report);

		if (history)
			this.draw(history, status);
	},

	showGlance({ level, title, since, why, next, advice }) {
		const lines = [ E('p', { 'class': 'sm-title' }, [ title, ' ', E('span', { 'class': 'sm-since' }, [ since ]) ]) ];

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
		const bits = (list) => list.map((bytes) => bytes == null ? null : bytes * 8);

		chart.lines(people, _('Stations'), [ { name: '', values: history.stations } ], at, now, (n) => '%d'.format(n));
		chart.lines(traffic, _('Traffic'), [
			{ name: _('received'), values: bits(history.rx_rate) },
			{ name: _('sent'), values: bits(history.tx_rate) }
		], at, now, words.rate);
		chart.lines(load, _('Load'), [ { name: '', values: history.load } ], at, now, (n) => n.toFixed(2));
		chart.band(health, _('Health'), history.health.concat([ code ]), at.concat([ now ]), now, HEALTH[code] ?? _('not known yet'));
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
