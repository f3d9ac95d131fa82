'use strict';
'require baseclass';
'require socketman.words as words';

/* One card: its level, what it says first, and lines of [ label, value ] under that. */
function card(title, level, headline, lines) {
	return E('div', { 'class': 'sm-card sm-%s'.format(level) }, [
		E('h4', [ title ]),
		headline ? E('p', { 'class': 'sm-headline' }, [ words.foreign(headline) ]) : '',
		E('dl', lines.filter(([ , value ]) => (value ?? '') !== '').map(([ label, value ]) => E('div', [
			E('dt', [ label ]),
			E('dd', [ words.foreign(value) ])
		])))
	]);
}

function broker({ mqtt, now }) {
	if (!mqtt.host && !mqtt.last_error)
		return card(_('Broker'), 'none', _('None is set'), []);

	const lines = [ [ _('To'), mqtt.host ], [ _('For'), mqtt.since && words.span(now - mqtt.since) ] ];

	return mqtt.connected
		? card(_('Broker'), 'good', _('Connected'), lines.concat([ [ _('Reconnects'), mqtt.reconnects ] ]))
		: card(_('Broker'), 'warn', _('Not connected'), lines.concat([
			[ _('Why'), mqtt.last_error ],
			[ _('Next'), words.ahead(mqtt.next_attempt, now) ]
		]));
}

function server(title, { host, last_ok: at, last_error: why, next_attempt: next }, now) {
	const [ level, headline ] = why ? [ 'warn', _('Failing') ] : at ? [ 'good', _('Accepted') ] : [ 'none', _('Nothing sent yet') ];

	return card(title, level, headline, [
		[ _('Server'), host ],
		[ _('Last accepted'), at ? words.ago(at, now) : _('never') ],
		[ _('Why'), why ],
		[ _('Next'), words.ahead(next, now) ]
	]);
}

function queue({ spool, now }) {
	return card(_('Queue'), spool.last_error || spool.dropped || spool.set_aside ? 'warn' : 'none',
		spool.reports ? N_(spool.reports, '%d report waits', '%d reports wait').format(spool.reports) : _('Empty'), [
			[ _('Size'), spool.reports ? words.bytes(spool.bytes) : '' ],
			[ _('Oldest'), words.ago(spool.oldest, now) ],
			[ _('Refused, sent again later'), spool.set_aside || '' ],
			[ _('Why'), spool.last_error ],
			[ _('Thinned'), spool.thinned || '' ],
			[ _('Lost'), spool.dropped || '' ],
			[ _('Written to flash today'), words.bytes(spool.flash_today) ]
		]);
}

function jobs({ jobs }) {
	return card(_('Jobs'), 'none', jobs.running ? N_(jobs.running, '%d is running', '%d are running').format(jobs.running) : _('None running'), [
		[ _('Waiting'), jobs.queued || '' ],
		[ _('Done'), jobs.done ],
		[ _('Failed'), jobs.failed ],
		[ _('Rejected'), jobs.rejected ],
		[ _('Known until'), jobs.durable ? jobs.kept ? '' : _('the next upgrade') : _('the agent restarts') ]
	]);
}

/* What was done about an outage, what comes next, and how many reboots are left. */
function recovery({ recovery: { step, since, why, next, reboots_24h: reboots, reboots_left: left }, now }) {
	return card(_('Recovery'), step || next ? 'warn' : 'none', step ? words.step(step) : next ? _('Waits') : _('Nothing to do'), [
		[ _('Since'), words.ago(since, now) ],
		[ _('Why'), why ],
		[ _('Next'), next && words.join(', ', words.step(next.step), words.ahead(next.at, now)) ],
		[ _('Reboots in 24 h'), reboots ],
		[ _('Reboots left'), left ]
	]);
}

/* A network job that is undone unless the device is reached again in time. */
function guard({ guard: { until, job }, now }) {
	return card(_('Network change'), 'warn', _('On trial'), [
		[ _('Job'), job ],
		[ _('Decided'), words.ahead(until, now) ],
		[ _('Otherwise'), _('the old settings come back') ]
	]);
}

/* Each radio's verdict, and how the newest report has its channel. */
function radios({ radios, now }, reported) {
	const bad = radios.filter(({ verdict }) => words.isRadioBad(verdict));
	const air = (of) => {
		const { band, channel, airtime } = (reported ?? []).find(({ name }) => name == of) ?? {};

		return [
			words.band(band),
			channel ? _('channel %d').format(channel) : '',
			airtime?.utilization == null ? '' : _('%d%% in use').format(Math.floor(airtime.utilization * 100 / 255))
		];
	};

	return card(_('Radios'), bad.length ? 'bad' : 'good', bad.length
		? N_(bad.length, '%d does not work', '%d do not work').format(bad.length)
		: N_(radios.length, '%d radio', '%d radios').format(radios.length),
	radios.map(({ name, verdict, since, restarts }) => [ name, words.join(', ',
		words.radio(verdict),
		since && words.isRadioBad(verdict) ? _('for %s').format(words.span(now - since)) : '',
		restarts ? N_(restarts, 'restarted %d time', 'restarted %d times').format(restarts) : '',
		...air(name)) ]));
}

/* Where the settings of a device without credentials come from. */
function contact({ provision: { state, since, server, at, last_error: why, next_attempt: next, refused_keys: refused }, now }) {
	return card(_('First contact'), { waiting: 'warn', trial: 'warn', done: 'good', refused: 'bad' }[state] ?? 'none', words.contact(state), [
		[ _('Init server'), server ],
		[ _('For'), since && words.span(now - since) ],
		[ _('Settings taken'), words.ago(at, now) ],
		[ _('Why'), why ],
		[ _('Next'), words.ahead(next, now) ],
		[ _('Keys refused'), refused?.join(', ') ]
	]);
}

/* A part this page knows nothing of: what it tells, as it tells it. */
function part(name, facts) {
	return card(words.plain(name), 'none', '', Object.entries(facts).map(([ key, value ]) => [ words.plain(key), value ]));
}

function device(status) {
	return card(_('Device'), 'none', status.mac, [
		[ _('Identity from'), status.mac_source ],
		[ _('Agent'), words.join(', ', status.version, words.span(status.uptime)) ],
		/* Before the first collection nobody knows. */
		...(status.seq === 0 ? [] : [
			[ _('Radios'), status.radios?.length ? '' : _('none') ],
			[ status.radios?.length ? _('Stations') : _('Leases'), status.stations ]
		]),
		[ _('Booted'), words.join(': ', words.ago(status.boot?.at, status.now), words.cause(status.boot?.cause)) ],
		[ _('Unexpected ends'), status.starts?.count || '' ],
		[ _('Starts'), status.starts?.error ],
		[ _('Not available'), status.sources?.missing?.join(', ') ]
	]);
}

function settings({ config }) {
	const errors = config.errors ?? [];
	const warnings = config.warnings ?? [];

	return card(_('Settings'), errors.length ? 'warn' : 'none',
		errors.length
			? N_(errors.length, '%d error', '%d errors').format(errors.length)
			: N_(warnings.length, '%d warning', '%d warnings').format(warnings.length),
		errors.map((error) => [ _('Not used'), words.problem(error) ])
			.concat(warnings.map((warning) => [ _('Note'), words.problem(warning) ])));
}

return baseclass.extend({
	/* A card for each part that status tells of; with the radios of the newest report. */
	of(status, reported) {
		const { mqtt, api, rest, spool, jobs: done, config, health, sources, starts, recovery: steps, guard: trial, radios: all, boot, provision, ...others } = status;
		const cards = [
			mqtt && broker(status),
			api && server(_('Delivery'), api, status.now),
			rest && server(_('Results'), rest, status.now),
			spool && queue(status),
			trial?.armed && guard(status),
			provision && provision.state != 'not_needed' && contact(status),
			steps && recovery(status),
			all?.length && radios(status, reported),
			done && jobs(status)
		];

		for (const name in others)
			if (typeof(others[name]) == 'object' && others[name])
				cards.push(part(name, others[name]));

		cards.push(device(status));

		if (config?.errors?.length || config?.warnings?.length)
			cards.push(settings(status));

		return cards.filter(Boolean);
	}
});
