/*
 * A stand-in of LuCI's runtime, as far as the views of luci-app-socketman use it, for a desk without a
 * router. It has LuCI's rule for text: a string in an array is text, a string in place of the array is
 * HTML. Written for the lab; what it leaves out, LuCI has.
 */
'use strict';

/* LuCI's %s, %d, %f and %h. */
String.prototype.format = function(...args) {
	const escapes = { '&': '&#38;', '"': '&#34;', '\'': '&#39;', '<': '&#60;', '>': '&#62;' };

	return this.replace(/%(?:\.(\d+))?([sdfh%])/g, (whole, precision, kind) => {
		if (kind == '%')
			return '%';

		if (!args.length)
			return whole;

		const value = args.shift();

		switch (kind) {
		case 'd': return Math.floor(+value || 0).toFixed(0);
		case 'f': return precision == null ? +value || 0 : (+value || 0).toFixed(+precision);
		case 'h': return `${value ?? ''}`.replace(/[&"'<>]/g, (c) => escapes[c]);
		default: return value;
		}
	});
};

const _ = (text) => text;

const N_ = (n, one, many) => n == 1 ? one : many;

/* Classes whose instances are made by L.require. */
const baseclass = class {
	static extend(properties) {
		const child = class extends this {
			constructor(...args) {
				super(...args);

				/* The most derived constructor alone runs __init__, when the object is whole. */
				if (new.target === child && this.__init__)
					this.made = this.__init__(...args);
			}
		};

		Object.defineProperties(child.prototype, Object.getOwnPropertyDescriptors(properties));

		return child;
	}
};

const dom = {
	elem: (node) => node instanceof Node,

	append(node, children) {
		if (Array.isArray(children)) {
			for (const child of children)
				if (this.elem(child))
					node.appendChild(child);
				else if (child !== null && child !== undefined)
					node.appendChild(document.createTextNode(`${child}`));
		}
		else if (typeof(children) == 'function') {
			this.append(node, children(node));
		}
		else if (this.elem(children)) {
			node.appendChild(children);
		}
		else if (children !== null && children !== undefined) {
			node.innerHTML = `${children}`;
		}

		return node.lastChild;
	},

	content(node, children) {
		node.replaceChildren();

		return this.append(node, children);
	},

	attr(node, attributes) {
		for (const [ key, value ] of Object.entries(attributes))
			if (typeof(value) == 'function')
				node.addEventListener(key, value);
			else if (value !== null && value !== undefined)
				node.setAttribute(key, typeof(value) == 'object' ? JSON.stringify(value) : value);
	}
};

function E(tag, attributes, children) {
	const node = Array.isArray(tag) ? document.createDocumentFragment() : document.createElement(tag);

	if (Array.isArray(tag)) {
		dom.append(node, tag);
	}
	else if (attributes && !Array.isArray(attributes) && typeof(attributes) == 'object' && !dom.elem(attributes)) {
		dom.attr(node, attributes);
		dom.append(node, children);
	}
	else {
		dom.append(node, attributes);
	}

	return node;
}

class RPCError extends Error {}

const STATUS = [ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found',
	'No data received', 'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error', 'Connection lost' ];

const rpc = {
	session: '00000000000000000000000000000000',
	number: 0,
	waiting: [],

	/* Calls that are made together travel together, and are answered together. */
	send(call) {
		return new Promise((resolve, reject) => {
			if (!this.waiting.length)
				window.setTimeout(() => this.flush(), 0);

			this.waiting.push({ call, resolve, reject });
		});
	},

	flush() {
		const batch = this.waiting.splice(0);

		this.post(batch.map(({ call }) => call)).then(
			(answers) => batch.forEach(({ resolve }, i) => resolve(answers[i])),
			(err) => batch.forEach(({ reject }) => reject(err)));
	},

	/* Gives up as LuCI does; what was asked for goes on. */
	post(body) {
		const patience = new AbortController();
		const timer = window.setTimeout(() => patience.abort(), (L.env.rpctimeout ?? 20) * 1000);

		return fetch('/ubus', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify(body),
			signal: patience.signal
		}).then((response) => response.json()).catch((err) => {
			throw patience.signal.aborted ? new Error('XHR request timed out') : err;
		}).finally(() => window.clearTimeout(timer));
	},

	declare({ object, method, params, expect, reject, nobatch }) {
		return (...args) => {
			const named = {};

			(params ?? []).forEach((name, i) => { named[name] = args[i]; });

			const call = {
				jsonrpc: '2.0',
				id: ++this.number,
				method: 'call',
				params: [ this.session, object, method, named ]
			};

			return (nobatch ? this.post(call) : this.send(call)).then(({ error, result }) => {
				if (error)
					throw new RPCError('RPC call to %s/%s failed with error %d: %s'.format(object, method, error.code, error.message));

				if (reject && result[0] !== 0)
					throw new RPCError('RPC call to %s/%s failed with ubus code %d: %s'.format(object, method, result[0], STATUS[result[0]]));

				let data = result.length > 1 ? result[1] : result[0];

				for (const key in expect ?? {}) {
					data = key ? data?.[key] : data;

					if (Object.prototype.toString.call(data) != Object.prototype.toString.call(expect[key]))
						data = expect[key];
				}

				return data;
			});
		};
	}
};

const poll = {
	add(fn, seconds) {
		let idle = true;

		window.setInterval(() => {
			if (!idle)
				return;

			idle = false;
			Promise.resolve(fn()).catch((err) => console.error(err)).finally(() => { idle = true; });
		}, seconds * 1000);
	}
};

const ui = {
	addNotification(title, children, level) {
		const place = document.getElementById('notifications');
		const node = E('div', { 'class': `alert-message ${level ?? ''}` }, [
			E('button', { 'class': 'btn', 'click': () => node.remove() }, [ 'Dismiss' ])
		]);

		if (title != null)
			node.appendChild(E('h4', {}, title));

		dom.append(node, children);
		place.appendChild(node);

		return node;
	},

	showModal(title, children) {
		this.hideModal();

		const modal = E('dialog', { 'class': 'modal' });

		dom.content(modal, E('h4', {}, title));
		dom.append(modal, Array.isArray(children) ? children : [ children ]);
		document.body.appendChild(modal);
		modal.showModal();

		return modal;
	},

	hideModal() {
		document.querySelector('dialog.modal')?.remove();
	},

	createHandlerFn(ctx, fn, ...args) {
		const handler = typeof(fn) == 'string' ? ctx[fn] : fn;

		return (ev) => {
			const button = ev.currentTarget;

			button.classList.add('spinning');
			button.disabled = true;
			button.blur();

			return Promise.resolve(handler.call(ctx, ...args, ev)).catch((err) => {
				ui.addNotification(null, E('p', {}, [ err.message ]), 'error');
			}).finally(() => {
				button.classList.remove('spinning');
				button.disabled = false;
			});
		};
	}
};

const view = baseclass.extend({
	__init__() {
		const place = document.getElementById('view');

		return Promise.resolve(this.load?.())
			.then((loaded) => this.render(loaded))
			.then((node) => {
				dom.content(place, node);
				dom.append(place, this.footer());
			}).catch((err) => {
				console.error(err);
				dom.content(place, [ E('div', { 'class': 'alert-message error' }, [ err.message ]) ]);
			});
	},

	handleSave() {
		return Promise.all(L.maps.map((map) => map.save()));
	},

	handleSaveApply() {
		return this.handleSave().then(() => L.classes.uci.apply()).then(() => window.location.reload());
	},

	handleReset() {
		window.location.reload();
	},

	footer() {
		const buttons = [
			[ 'Save & Apply', this.handleSaveApply, 'cbi-button-apply' ],
			[ 'Save', this.handleSave, 'cbi-button-save' ],
			[ 'Reset', this.handleReset, 'cbi-button-reset' ]
		].filter(([ , handler ]) => handler);

		return E('div', buttons.length ? { 'class': 'cbi-page-actions' } : {}, buttons.map(([ title, handler, style ]) =>
			E('button', {
				'class': `btn cbi-button ${style}`,
				'disabled': L.hasViewPermission() ? null : '',
				'click': ui.createHandlerFn(this, handler)
			}, [ title ])));
	}
});

const L = {
	classes: { baseclass, dom, rpc, poll, ui, view },
	env: {},
	modules: {},
	maps: [],
	node: null,

	resource: (...path) => [ '/luci-static/resources', ...path ].join('/'),

	/* LuCI's pages by their place in the menu. */
	url: (place) => '/?view=%s'.format(place.replace(/^admin\/services\//, '')),

	resolveDefault: (value, preset) => Promise.resolve(value).catch(() => preset),

	/* null: not to be seen at all; false: to be read; true: to be used. */
	hasViewPermission() {
		return this.node;
	},

	/* The class or module of this name, as the views require it. */
	require(name) {
		if (this.classes[name])
			return Promise.resolve(this.classes[name]);

		return this.modules[name] ??= this.compile(name).then((made) => new made());
	},

	/* The class in a file, with what it requires. */
	compile(name) {
		return fetch(this.resource(`${name.replace(/\./g, '/')}.js`))
			.then((response) => response.ok ? response.text() : Promise.reject(new Error(`${name}: ${response.status}`)))
			.then((source) => {
				const wanted = Array.from(source.matchAll(/^'require ([\w.]+)(?: as (\w+))?';$/gm));

				return Promise.all(wanted.map(([ , module ]) => this.require(module))).then((modules) => {
					const names = wanted.map(([ , module, as ]) => as ?? module);

					return new Function('L', 'E', '_', 'N_', ...names, `${source}\n//# sourceURL=${name}.js`)(L, E, _, N_, ...modules);
				});
			});
	},

	/* Logs in with what the address says, or what it said before in this tab, and shows the page. */
	begin() {
		const told = window.location.hash.match(/^#(\w+):(\w+)$/);

		if (told) {
			window.sessionStorage.setItem('lab', JSON.stringify({ user: told[1], password: told[2] }));
			window.history.replaceState(null, '', window.location.pathname + window.location.search);
		}

		const known = JSON.parse(window.sessionStorage.getItem('lab') ?? '{}');
		const wanted = new URLSearchParams(window.location.search).get('view') ?? 'socketman/overview';
		const login = rpc.declare({ object: 'session', method: 'login', params: [ 'username', 'password' ], reject: true });

		return Promise.all([
			login(known.user ?? '', known.password ?? ''),
			fetch('/lab/menu.json').then((response) => response.json()),
			this.compile(`view.${wanted.replace(/\//g, '.')}`)
		]).then(([ session, menu, page ]) => {
			rpc.session = session.ubus_rpc_session;
			this.showUsers(known);
			this.showMenu(menu, session.acls['access-group'] ?? {}, wanted);

			if (this.node === null)
				throw new Error('There is no such page for this user.');

			return new page();
		}).catch((err) => {
			dom.content(document.getElementById('view'), [ E('div', { 'class': 'alert-message error' }, [
				/code 6/.test(err.message) ? 'Nobody is logged in: open the address that the lab printed.' : err.message
			]) ]);
		});
	},

	showUsers(known) {
		const select = document.getElementById('user');

		dom.content(select, [ 'root', 'status', 'jobs', 'settings' ].map((name) =>
			E('option', { 'value': name, 'selected': name == known.user ? '' : null }, [ name ])));
		select.onchange = () => {
			window.sessionStorage.setItem('lab', JSON.stringify({ ...known, user: select.value }));
			window.location = '/';
		};
	},

	showMenu(menu, groups, wanted) {
		/*
		 * As LuCI judges: a node is there if it and all above it have what they depend on. It is seen with every group
		 * that one of them names, and used with writing of one.
		 */
		const permission = (path) => {
			const nodes = Object.keys(menu).filter((above) => `${path}/`.startsWith(`${above}/`)).map((above) => menu[above]);
			const needed = nodes.flatMap(({ depends }) => depends?.acl ?? []);

			if (!nodes.every(({ satisfied }) => satisfied) || !needed.every((group) => groups[group]))
				return null;

			return !needed.length || needed.some((group) => groups[group].includes('write'));
		};

		const nodes = Object.entries(menu)
			.filter(([ , { action } ]) => action.type == 'view')
			.map(([ path, node ]) => ({ ...node, permission: permission(path) }))
			.sort((a, b) => a.order - b.order);

		dom.content(document.getElementById('menu'), nodes.filter(({ permission }) => permission !== null).map(({ title, action }) =>
			E('a', {
				'href': `/?view=${action.path}`,
				'aria-current': action.path == wanted ? 'page' : null
			}, [ title ])));

		this.node = nodes.find(({ action }) => action.path == wanted)?.permission ?? null;
	}
};
