'use strict';
'require baseclass';

/* What each verdict means, and what a person can do about it. */
const VERDICTS = {
	ok: [ _('ok') ],
	no_carrier: [ _('the uplink has no link'), _('Check the cable and what is at its other end.') ],
	no_address: [ _('the uplink has no address'), _('Check protocol and password of the WAN interface.') ],
	no_route: [ _('there is no default route'), _('Check the gateway of the WAN interface.') ],
	gateway_dead: [ _('the gateway does not answer'), _('Restart the modem or router in front of this device.') ],
	dns_dead: [ _('names cannot be resolved'), _('Check the DNS servers of the WAN interface.') ],
	dns_hijacked: [ _('the resolver gives false addresses'), _('Use other DNS servers.') ],
	captive_portal: [ _('a login page answers for the web'), _('Log in there.') ],
	no_internet: [ _('nothing beyond the gateway answers'), _('Check the modem, or ask the provider.') ],
	server_unreachable: [ _('the internet works, the server does not answer'), _('Check its address in the settings, or ask who runs it.') ]
};

/* What is done about an outage, and what each verdict on a radio means. */
const STEPS = {
	renew: _('renew the lease'),
	dnsmasq_restart: _('restart dnsmasq'),
	down_up: _('WAN interface down and up'),
	network_restart: _('restart network and firewall'),
	reboot: _('reboot')
};

const RADIOS = {
	ok: _('on air'),
	off: _('switched off'),
	waiting: _('waits for a free channel'),
	setup_failed: _('cannot be set up'),
	not_beaconing: _('silent'),
	unknown: _('not known')
};

const CAUSES = {
	panic: _('the kernel crashed'),
	watchdog: _('the watchdog reset it'),
	upgrade: _('new firmware'),
	recovery: _('the agent, to recover'),
	job: _('a job'),
	command: _('a person or program asked for it'),
	power: _('power, or not known')
};

const CONTACT = {
	waiting: _('Waits for its settings'),
	trial: _('New settings on trial'),
	done: _('Settings hold'),
	refused: _('Settings refused')
};

const BANDS = { '2g': '2.4 GHz', '5g': '5 GHz', '6g': '6 GHz', '60g': '60 GHz' };

const scaled = (n, step, units) => {
	let i = 0;

	for (; n >= step && i < units.length - 1; i++)
		n /= step;

	return '%s %s'.format(i && n < 100 ? n.toFixed(1) : Math.round(n), units[i]);
};

/* The parts that are known, with this between them. */
const join = (between, ...parts) => parts.filter((part) => (part ?? '') !== '').join(between);

/* Of what is not known, null or absent, each says nothing: ''. */
return baseclass.extend({
	/* 59 s, 3 min, 2 h 5 min, 4 d 3 h */
	span(seconds) {
		if (seconds == null)
			return '';

		const s = Math.max(0, Math.floor(seconds));

		if (s < 60)
			return _('%d s').format(s);

		if (s < 3600)
			return _('%d min').format(s / 60);

		if (s < 86400)
			return _('%d h %d min').format(s / 3600, s % 3600 / 60);

		return _('%d d %d h').format(s / 86400, s % 86400 / 3600);
	},

	ago(at, now) {
		return at == null ? '' : _('%s ago').format(this.span(now - at));
	},

	ahead(at, now) {
		if (at == null)
			return '';

		return at > now ? _('in %s').format(this.span(at - now)) : _('now');
	},

	time(at) {
		return new Date(at * 1000).toLocaleString();
	},

	bytes(n) {
		return n == null ? '' : scaled(n, 1024, [ 'B', 'KiB', 'MiB', 'GiB' ]);
	},

	/* From bit/s. */
	rate(n) {
		return scaled(n, 1000, [ 'bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s' ]);
	},

	milliseconds(ms) {
		return ms < 10000 ? _('%d ms').format(ms) : this.span(ms / 1000);
	},

	band(name) {
		return BANDS[name] ?? name ?? '';
	},

	verdict(name) {
		return VERDICTS[name]?.[0] ?? this.plain(name);
	},

	step(name) {
		return STEPS[name] ?? this.plain(name);
	},

	radio(verdict) {
		return RADIOS[verdict] ?? this.plain(verdict);
	},

	isRadioBad: (verdict) => verdict == 'setup_failed' || verdict == 'not_beaconing',

	contact(state) {
		return CONTACT[state] ?? this.plain(state);
	},

	cause(name) {
		return CAUSES[name] ?? this.plain(name);
	},

	/* A name of the agent's that nobody translated. */
	plain(name) {
		return name?.replace(/_/g, ' ') ?? '';
	},

	join,

	advice(name) {
		return VERDICTS[name]?.[1];
	},

	/* What is wrong with a setting, and where it stands. */
	problem({ option, source, line, reason }) {
		return join(': ', option, source && join(':', source, line), reason);
	},

	/* Text from outside: whatever direction it is written in and whatever bytes it has, it stays where it is. */
	foreign(text) {
		return E('bdi', [ `${text ?? ''}`.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd') ]);
	}
});
