'use strict';
'require view';
'require dom';
'require form';
'require uci';
'require ui';
'require socketman.options as options';
'require socketman.rpc as api';
'require socketman.style as style';
'require socketman.words as words';

const SWITCH = { 0: _('off'), 1: _('on') };

/* Checks that LuCI has no datatype for. */
const CHECKS = {
	url: (value) => /^https?:\/\/\S/.test(value) || _('an address that begins with http:// or https://'),
	mac: (value) => /^([0-9a-f]{2}[:-]?){5}[0-9a-f]{2}$/i.test(value) || _('a MAC address'),
	path: (value) => /^\/(?!(.*\/)?\.\.(\/|$))/.test(value) || _('an absolute path'),
	list: (value) => /^([A-Za-z0-9+]|\/){43}=$/.test(value) || _('32 bytes in base64')
};

const CLASSES = {
	switch: form.Flag,
	flag: form.ListValue,
	choice: form.ListValue,
	list: form.DynamicList
};

const ask = () => L.resolveDefault(api.config(), null);

const isHere = (source) => /\/(config|uci)\/socketman$/.test(source);

/* The agent's names have a - where UCI has a _. */
const known = (facts, name) => facts?.options?.[name] ?? facts?.options?.[name.replace(/_/g, '-')];

/* Where the value of an option comes from, unless it is the default. */
function origin(facts, name) {
	const told = known(facts, name);

	if (!told?.source || told.source == 'default')
		return [];

	const [ level, text ] = told.source == 'command line'
		? [ 'warn', _('The command line wins: %s').format(told.value ?? '?') ]
		: isHere(told.source) ? [ 'good', _('set here') ] : [ 'none', _('from %s').format(told.source) ];

	return [ E('span', { 'class': 'sm-state sm-%s'.format(level) }, [ words.foreign(text) ]) ];
}

return view.extend({
	load() {
		return Promise.all([ ask(), uci.load('socketman').then(() => true, () => false), style.load() ]);
	},

	render([ facts, isReadable ]) {
		return isReadable ? this.form(facts) : this.broken(facts);
	},

	/* There is nothing to edit: why stands in the agent's errors. */
	broken(facts) {
		this.handleSaveApply = this.handleSave = this.handleReset = null;
		this.places = new Map();

		return E('div', { 'class': 'sm', 'id': 'socketman-settings' }, [
			this.header(facts),
			E('h2', [ _('SocketMan settings') ]),
			E('p', [ _('/etc/config/socketman is missing or cannot be read. Mend it in a shell; socketman check says what is wrong.') ])
		]);
	},

	form(facts) {
		const map = new form.Map('socketman', _('SocketMan settings'),
			_('What is not set here comes from the settings file, else it has its default.'));

		const section = map.section(form.NamedSection, 'main', 'socketman');

		/* Where somebody removed the section, a button makes one: looking at it changes nothing. */
		section.addremove = uci.get('socketman', 'main') == null;

		this.places = new Map();

		for (const [ tab, title, rows ] of options.TABS) {
			section.tab(tab, title);
			rows.forEach((row) => this.option(section, tab, facts, row));
		}

		return map.render().then((node) => E('div', { 'class': 'sm', 'id': 'socketman-settings' }, [ this.header(facts), node ]));
	},

	option(section, tab, facts, [ name, kind, title, preset = '', type, help ]) {
		const widgets = CLASSES[kind] ?? form.Value;
		const o = section.taboption(tab, widgets, name, title, help);
		const told = known(facts, name);

		/* What holds while nothing is set here, as far as that is known. */
		const otherwise = told && !isHere(told.source) && told.source != 'command line' && (told.value ?? '') !== '' ? told.value : preset;

		o.rmempty = kind != 'switch';

		if (kind == 'flag' || kind == 'choice') {
			const titles = kind == 'flag' ? SWITCH : {};

			o.default = '';
			o.value('', _('not set: %s').format(titles[otherwise] ?? otherwise));
			(kind == 'flag' ? [ '1', '0' ] : type).forEach((value) => o.value(value, titles[value] ?? value));
		}
		else {
			o.password = kind == 'secret';
			o.placeholder = o.password ? '' : otherwise;

			const check = CHECKS[type] ?? CHECKS[kind];

			if (check)
				o.validate = (_section, value) => !value || check(value);
			else if (type)
				o.datatype = type;
		}

		/* Beside the widget, so that the form keeps control of it. */
		o.renderWidget = (...args) => Promise.resolve(widgets.prototype.renderWidget.apply(o, args)).then((widget) => {
			const place = E('div', { 'class': 'sm-origin' }, origin(facts, name));

			this.places.set(name, place);

			return E('div', [ widget, place ]);
		});
	},

	header(facts) {
		this.problems = E('div');
		this.showProblems(facts);

		return E('div', [
			this.problems,
			E('div', { 'class': 'right' }, [
				E('button', {
					'class': 'btn cbi-button cbi-button-action',
					'disabled': !L.hasViewPermission() || null,
					'click': ui.createHandlerFn(this, 'handleReload')
				}, [ _('Read settings again') ])
			])
		]);
	},

	showProblems(facts) {
		const lines = facts
			? [ ...facts.errors ?? [], ...facts.warnings ?? [] ].map(words.problem)
			: [ _('The agent is not running: where values come from is not known.') ];

		dom.content(this.problems, lines.map((line) => E('div', { 'class': 'alert-message warning' }, [ words.foreign(line) ])));
	},

	handleReload() {
		return api.reload().then(ask).then((facts) => {
			for (const [ name, place ] of this.places)
				dom.content(place, origin(facts, name));

			this.showProblems(facts);
		}).catch((err) => ui.addNotification(_('Settings'), E('p', [
			api.reason(err, _('The settings are still being read. Load this page again to see what holds then.'))
		]), api.isLate(err) ? 'info' : 'error'));
	}
});
