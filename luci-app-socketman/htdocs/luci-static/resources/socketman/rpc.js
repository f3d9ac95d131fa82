'use strict';
'require baseclass';
'require rpc';
'require uci';

/* Alone: not in one request with others, which would be answered no sooner. For calls that may take long. */
const ALONE = true;

const call = (method, params, nobatch) => rpc.declare({ object: 'socketman', method, params, nobatch, reject: true });

/* Stations and leases asked for at once; the agent gives no more in one reply, and fewer where it would be too long. */
const PAGE = 500;

const callStats = call('stats', [ 'offset', 'limit' ]);

const callAccess = rpc.declare({
	object: 'session',
	method: 'access',
	params: [ 'scope', 'object', 'function' ],
	expect: { access: false }
});

return baseclass.extend({
	status: call('status'),
	history: call('history'),
	jobs: call('jobs'),
	probe: call('probe', [], ALONE),
	upload: call('upload', [], ALONE),
	job: call('job', [ 'id' ]),
	runJob: call('run_job', [ 'msg', 'type', 'timeout', 'wait' ], ALONE),
	config: call('config'),
	reload: call('reload', [], ALONE),

	/* The newest report with all its stations. */
	stats(offset = 0) {
		return callStats(offset, PAGE).then((page) => {
			/* Both lists are given from the same place on. */
			const came = Math.max(page.stations?.length ?? 0, page.dhcp?.length ?? 0);

			if (!page.more || !came)
				return page;

			return this.stats(offset + came).then((rest) => {
				page.stations = (page.stations || []).concat(rest.stations || []);
				return page;
			});
		});
	},

	/* Whether this session may call a method of the agent. */
	may(method) {
		return L.resolveDefault(callAccess('ubus', 'socketman', method), false);
	},

	/* Whether the settings let the agent start; null for a session that may not read them. */
	enabled() {
		return this.may('config').then((may) => {
			if (!may)
				return null;

			/* As they are now. */
			uci.unload('socketman');

			return uci.load('socketman').then(() => /^(1|on|true|yes|enabled)$/.test(uci.get('socketman', 'main', 'enabled')));
		}).catch(() => null);
	},

	/* Nobody offers the object. */
	isGone: (err) => /error -32000|ubus code 4/.test(err?.message),

	isRefused: (err) => /error -32002|ubus code 6/.test(err?.message),

	/* LuCI waits 20 s for an answer, uhttpd 60 s, the agent as docs/ubus.md says. What was asked for goes on. */
	isLate: (err) => /timed out|ubus code 7/.test(err?.message),

	/* What went wrong with a call, for people; late: what to say where only the answer is missing. */
	reason(err, late = _('No answer came in time.')) {
		const message = `${err?.message ?? err}`;

		if (this.isGone(err))
			return _('The agent is not running.');

		if (this.isRefused(err))
			return _('Permission denied.');

		if (this.isLate(err))
			return late;

		return message;
	}
});
