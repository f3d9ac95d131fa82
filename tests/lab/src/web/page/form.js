/*
 * LuCI's uci and form as far as a desk needs them: what a view asks for is recorded in L.maps and shown
 * with plain widgets. Titles and help are HTML, as in LuCI.
 */
'use strict';

L.classes.uci = {
	values: {},

	load(config) {
		const get = rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true });

		return get(config).then((values) => {
			this.values[config] = values;
			this.before = JSON.parse(JSON.stringify(this.values));
		});
	},

	unload(config) {
		delete this.values[config];
	},

	get(config, section, option) {
		const found = this.values[config]?.[section];

		return option ? found?.[option] : found;
	},

	add(config, type, name) {
		this.values[config][name] = { '.type': type, '.name': name };
	},

	set(config, section, option, value) {
		this.values[config][section][option] = value;
	},

	unset(config, section, option) {
		delete this.values[config][section][option];
	},

	/* Sends what is not as it was. */
	save() {
		const call = (method, params) => rpc.declare({ object: 'uci', method, params, reject: true });
		const add = call('add', [ 'config', 'type', 'name' ]);
		const set = call('set', [ 'config', 'section', 'values' ]);
		const remove = call('delete', [ 'config', 'section', 'options' ]);
		const tasks = [];

		for (const [ config, sections ] of Object.entries(this.values))
			for (const [ name, now ] of Object.entries(sections)) {
				const before = this.before[config]?.[name];
				const options = Object.keys({ ...before, ...now }).filter((key) => !key.startsWith('.'));
				const differs = options.filter((key) => JSON.stringify(before?.[key]) != JSON.stringify(now[key]));
				const [ gone, changed ] = [ differs.filter((key) => !(key in now)), differs.filter((key) => key in now) ];

				if (!before)
					tasks.push(() => add(config, now['.type'], name));

				if (changed.length)
					tasks.push(() => set(config, name, Object.fromEntries(changed.map((key) => [ key, now[key] ]))));

				if (gone.length)
					tasks.push(() => remove(config, name, gone));
			}

		return tasks.reduce((done, task) => done.then(task), Promise.resolve()).then(() => {
			this.before = JSON.parse(JSON.stringify(this.values));
		});
	},

	apply: rpc.declare({ object: 'uci', method: 'apply', reject: true })
};

L.classes.form = (() => {
	const { uci, ui } = L.classes;

	class Value {
		constructor(map, section, name, title, description) {
			Object.assign(this, { map, section, option: name, title, description, rmempty: true, keylist: [], vallist: [] });
		}

		value(key, title) {
			this.keylist.push(key);
			this.vallist.push(title);
		}

		cfgvalue(section) {
			return uci.get(this.map.config, section, this.option);
		}

		renderWidget(section, _index, value) {
			return E('input', {
				'class': 'cbi-input-text',
				'type': this.password ? 'password' : 'text',
				'autocomplete': 'off',
				'placeholder': this.placeholder,
				'value': value ?? this.default ?? ''
			});
		}

		formvalue() {
			return this.node.querySelector('input, select, textarea').value;
		}

		render(section) {
			return Promise.resolve(this.renderWidget(section, 0, this.cfgvalue(section))).then((widget) => {
				const field = E('div', { 'class': 'cbi-value-field' }, [ widget ]);

				if (this.description)
					field.appendChild(E('div', { 'class': 'cbi-value-description' }, this.description));

				return this.node = E('label', { 'class': 'cbi-value', 'data-name': this.option },
					[ E('span', { 'class': 'cbi-value-title' }, this.title), field ]);
			});
		}

		parse(section) {
			const value = this.formvalue();
			const valid = this.validate ? this.validate(section, value) : true;

			if (valid !== true)
				throw new Error('%s: %s'.format(this.title, valid));

			if (this.rmempty && !value.length)
				uci.unset(this.map.config, section, this.option);
			else
				uci.set(this.map.config, section, this.option, value);
		}
	}

	class ListValue extends Value {
		renderWidget(section, _index, value) {
			return E('select', { 'class': 'cbi-input-select' }, this.keylist.map((key, i) => E('option', {
				'value': key,
				'selected': key == (value ?? this.default) ? '' : null
			}, [ this.vallist[i] ])));
		}
	}

	class Flag extends Value {
		renderWidget(section, _index, value) {
			return E('input', { 'type': 'checkbox', 'checked': value == '1' ? '' : null });
		}

		formvalue() {
			return this.node.querySelector('input').checked ? '1' : '0';
		}
	}

	/* One item a line. */
	class DynamicList extends Value {
		renderWidget(section, _index, value) {
			return E('textarea', { 'class': 'cbi-input-textarea' }, [ [].concat(value ?? []).join('\n') ]);
		}

		formvalue() {
			return super.formvalue().split('\n').filter(String);
		}

		parse(section) {
			const items = this.formvalue();
			const wrong = this.validate && items.map((item) => this.validate(section, item)).find((valid) => valid !== true);

			if (wrong)
				throw new Error('%s: %s'.format(this.title, wrong));

			if (items.length)
				uci.set(this.map.config, section, this.option, items);
			else
				uci.unset(this.map.config, section, this.option);
		}
	}

	class NamedSection {
		constructor(map, name, type) {
			Object.assign(this, { map, section: name, type, tabs: [], options: [] });
		}

		tab(name, title) {
			this.tabs.push({ name, title });
		}

		option(kind, name, title, description) {
			return this.taboption(null, kind, name, title, description);
		}

		taboption(tab, kind, name, title, description) {
			const option = new kind(this.map, this, name, title, description);

			option.tab = tab;
			this.options.push(option);

			return option;
		}

		render() {
			const { config } = this.map;

			/* A section that is not there is made when somebody asks for it. */
			if (!uci.get(config, this.section))
				return Promise.resolve(E('div', { 'class': 'cbi-section' }, this.addremove ? [ E('button', {
					'class': 'btn cbi-button cbi-button-add',
					'click': ui.createHandlerFn(this, () => {
						uci.add(config, this.type, this.section);

						return this.map.save(true);
					})
				}, [ 'Add' ]) ] : []));

			return Promise.all(this.options.map((option) => option.render(this.section))).then((nodes) => {
				const of = (tab) => nodes.filter((_node, i) => this.options[i].tab === tab);

				return E('div', { 'class': 'cbi-section' }, of(null).concat(this.tabs.map(({ name, title }, i) =>
					E('details', { 'data-tab': name, 'open': i ? null : '' }, [ E('summary', {}, title) ].concat(of(name))))));
			});
		}
	}

	class FormMap {
		constructor(config, title, description) {
			Object.assign(this, { config, title, description, sections: [] });
			L.maps.push(this);
		}

		section(kind, ...args) {
			const section = new kind(this, ...args);

			this.sections.push(section);

			return section;
		}

		render() {
			return Promise.all(this.sections.map((section) => section.render())).then((nodes) => E('div', { 'class': 'cbi-map' }, [
				E('h2', {}, this.title),
				E('div', { 'class': 'cbi-map-descr' }, this.description),
				...nodes
			]));
		}

		/* Sends what the fields say, and shows them again if `reload`. */
		save(reload) {
			return Promise.resolve().then(() => {
				for (const section of this.sections)
					for (const option of section.options)
						if (option.node)
							option.parse(section.section);

				return uci.save();
			}).then(() => reload ? window.location.reload() : null);
		}
	}

	return { Map: FormMap, NamedSection, Value, ListValue, Flag, DynamicList };
})();
