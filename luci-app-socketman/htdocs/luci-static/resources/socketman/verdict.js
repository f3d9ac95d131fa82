'use strict';
'require baseclass';
'require socketman.rpc as api';
'require socketman.words as words';

/* The sentences that say what failed in a probe. */
function failures(probe) {
	const said = [];

	/* An answer came by some way, whatever the tables say. */
	const reached = (probe.connect && !probe.connect.error) || probe.web?.result == 'ok';

	if (probe.route && !probe.route.found && !reached)
		said.push(_('no default route; the last was by %s').format(probe.route.device ?? _('none')));

	for (const [ check, target ] of [ [ probe.lookup, 'name' ], [ probe.connect, 'to' ], [ probe.web, 'url' ] ]) {
		const named = check?.[target] ?? '?';

		if (check?.error)
			said.push('%s: %s'.format(named, check.error));
		else if (check?.location)
			said.push(_('%s leads to %s').format(named, check.location));
		else if (check?.result == 'foreign')
			said.push(_('%s has another page').format(named));
		else if (check?.result == 'no_such_name')
			said.push(_('%s does not exist').format(named));
	}

	return said;
}

/* What is wrong though the device reaches the world. */
function troubles(status) {
	const { mqtt, api, rest, spool, starts, config, health } = status;
	const said = [];

	if (starts?.held_until > status.now)
		said.push(N_(starts.count,
			'the agent ended unexpectedly %d time; broker and server wait %s',
			'the agent ended unexpectedly %d times; broker and server wait %s').format(starts.count, words.span(starts.held_until - status.now)));

	if (mqtt?.last_error && !mqtt.host)
		said.push(mqtt.last_error);
	else if (mqtt?.host && !mqtt.connected)
		said.push(_('no connection to the broker: %s').format(mqtt.last_error ?? _('not tried yet')));

	if (api?.last_error)
		said.push(_('reports are not delivered: %s').format(api.last_error));

	if (rest?.last_error)
		said.push(_('job results are not delivered: %s').format(rest.last_error));

	if (spool?.last_error)
		said.push(_('reports cannot be stored: %s').format(spool.last_error));

	for (const { name, verdict } of status.radios ?? [])
		if (words.isRadioBad(verdict))
			said.push(_('radio %s: %s').format(name ?? '?', words.radio(verdict)));

	if (status.guard?.armed)
		said.push(_('a network change is on trial'));

	if (health.evidence?.doubt)
		said.push(_('the newest check failed, the next one decides'));

	if (health.evidence?.degraded)
		said.push(_('a check failed or was slow'));

	if (config?.errors?.length)
		said.push(N_(config.errors.length, '%d setting has an error', '%d settings have errors').format(config.errors.length));

	return said;
}

/* What was done about an outage so far. */
function tried({ recovery, now }) {
	return (recovery?.tried ?? []).map(({ step, at, error }) =>
		words.join(': ', at == null ? '' : _('tried %s').format(words.ago(at, now)), words.join(', ', words.step(step), error)));
}

/* What is tried next, and when. */
function plans(status) {
	const { health, mqtt, api, rest, recovery, guard, now } = status;
	const said = [];

	const plan = (at, text) => {
		if (at != null)
			said.push(text.format(words.ahead(at, now)));
	};

	/* A step has no percent sign in its name. */
	if (recovery?.next)
		plan(recovery.next.at, words.join(' ', words.step(recovery.next.step), '%s'));

	plan(guard?.armed ? guard.until : null, _('the change is decided %s'));
	plan(health.next_probe, _('check %s'));
	plan(mqtt?.connected ? null : mqtt?.next_attempt, _('broker %s'));
	plan(api?.next_attempt, _('delivery %s'));
	plan(rest?.next_attempt, _('results %s'));

	return said;
}

/* An agent that is younger has not had the time to know anything, s. */
const YOUNG = 60;

return baseclass.extend({
	/* Why there is no status, in the form of judge(); enabled as of rpc.js. setUp: the settings are the way on. */
	absent(err, enabled) {
		const is = (level, title, why, advice) => ({ level, title, why: why ? [ why ] : [], advice, setUp: enabled === false });

		if (api.isRefused(err))
			return is('warn', _('Not permitted'), _('This login may not see it.'), _('Log in again if its rights were changed.'));

		if (!api.isGone(err))
			return is('bad', _('The agent does not answer'), api.reason(err));

		if (enabled === false)
			return is('none', _('Switched off'), _('Nothing runs until it is enabled.'), _('Enter in the settings where it reports to, and enable it.'));

		return is('bad', _('The agent is not running'), '', enabled
			? _('Start it under System, Startup. The system log says why it ended.')
			: _('It is switched off, was stopped or has failed.'));
	},

	/* Healthy? If not, why, and what next: { level, title, since, why, next, advice }. */
	judge(status) {
		const { health, now } = status;
		const evidence = health.evidence ?? {};
		const probe = evidence.probe ? failures(evidence.probe) : [];
		const since = health.since == null ? '' : _('for %s').format(words.span(now - health.since));
		const next = plans(status);

		if (health.verdict == null)
			return status.uptime < YOUNG
				? { level: 'unknown', title: _('Starting'), why: [ _('the first check is under way') ].concat(probe), next }
				: { level: 'unknown', title: _('Not known yet'), why: probe, next };

		if (health.verdict != 'ok')
			return {
				level: 'bad',
				title: _('Not healthy: %s').format(words.verdict(health.verdict)),
				since,
				why: (health.verdict == 'server_unreachable' && evidence.server ? [ evidence.server ] : probe).concat(tried(status)),
				next,
				advice: words.advice(health.verdict)
			};

		const wrong = troubles(status);

		if (wrong.length)
			return { level: 'warn', title: _('Online, but not all is well'), since, why: wrong.concat(probe), next };

		const proof = {
			broker: _('connected to the broker'),
			api: _('the server accepts reports')
		}[evidence.proof] ?? _('all checks succeed');

		return { level: 'good', title: _('Healthy'), since, why: [ proof ], next };
	}
});
