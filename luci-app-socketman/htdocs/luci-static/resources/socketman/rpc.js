'use strict';
'require baseclass';
'require rpc';

const call = (method, params) => rpc.declare({ object: 'socketman', method, params, reject: true });

/* Stations asked for at once; the agent gives no more in one reply. */
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
	probe: call('probe'),
	upload: call('upload'),
	job: call('job', [ 'id' ]),
	runJob: call('run_job', [ 'msg', 'type', 'timeout', 'wait' ]),
	config: call('config'),
	reload: call('reload'),

	/* The newest report with all its stations. */
	stats(offset = 0) {
		return callStats(offset, PAGE).then((page) => {
			if (!page.more)
				return page;

			return this.stats(offset + PAGE).then((rest) => {
				page.stations = (page.stations || []).concat(rest.stations || []);
				return page;
			});
		});
	},

	/* Whether this session may call a method of the agent. */
	may(method) {
		return L.resolveDefault(callAccess('ubus', 'socketman', method), false);
	},

	/* What went wrong with a call, for people. */
	reason(err) {
		const message = `${err?.message ?? err}`;

		if (/error -32000|ubus code 4/.test(message))
			return _('The agent is not running.');

		if (/error -32002|ubus code 6/.test(message))
			return _('Permission denied.');

		if (/ubus code 3/.test(message))
			return _('The agent that runs does not know how to do this.');

		return message;
	}
});
