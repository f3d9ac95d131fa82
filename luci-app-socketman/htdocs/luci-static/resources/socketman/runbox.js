'use strict';
'require baseclass';
'require ui';
'require socketman.rpc as api';

/* Types of a job: the name the agent knows, what it is called here, and what to ask before it runs. */
const TYPES = [
	[ '', _('Command') ],
	[ 'network', _('Network change'), _('A network change can cut off this device.') ],
	[ 'reboot', _('Reboot'), _('Everybody who uses this device is disconnected.') ],
	[ 'cancel', _('Cancel a job') ]
];

const isBare = (type) => type == 'reboot';

function confirmed(title, question) {
	return new Promise((resolve) => {
		const answer = (yes) => () => {
			ui.hideModal();
			resolve(yes);
		};

		ui.showModal(title, [
			E('p', [ question ]),
			E('div', { 'class': 'right' }, [
				E('button', { 'class': 'btn', 'click': answer(false) }, [ _('Cancel') ]),
				' ',
				E('button', { 'class': 'btn cbi-button-negative', 'click': answer(true) }, [ title ])
			])
		]);
	});
}

function refused(reason) {
	ui.addNotification(_('The job does not run'), E('p', [ reason ]), 'error');
}

return baseclass.extend({
	/* A form that gives the agent a job; ran(id) is called when it has it. */
	render(ran) {
		this.ran = ran;
		this.msg = E('textarea', {
			'class': 'cbi-input-textarea',
			'rows': 3,
			'spellcheck': 'false',
			'placeholder': 'logread | tail -n 20'
		});
		this.type = E('select', { 'class': 'cbi-input-select', 'change': () => this.adapt() },
			TYPES.map(([ name, title ]) => E('option', { 'value': name }, [ title ])));
		this.timeout = E('input', { 'class': 'cbi-input-text', 'type': 'number', 'min': 1, 'max': 86400 });
		this.run = E('button', {
			'class': 'btn cbi-button cbi-button-apply',
			'click': ui.createHandlerFn(this, 'start')
		}, [ _('Run') ]);

		return E('div', { 'class': 'cbi-section' }, [
			E('h3', [ _('Run a job') ]),
			E('label', [ _('Command or, to cancel, the job to end; it runs as root'), this.msg ]),
			E('div', { 'class': 'sm-bar' }, [
				E('label', [ _('Type'), ' ', this.type ]),
				E('label', [ _('Timeout, s'), ' ', this.timeout ]),
				this.run
			])
		]);
	},

	adapt() {
		this.msg.disabled = isBare(this.type.value);
	},

	start() {
		const [ type, title, question ] = TYPES[this.type.selectedIndex];
		const msg = isBare(type) ? '' : this.msg.value;
		const timeout = parseInt(this.timeout.value, 10) || undefined;

		if (!isBare(type) && !msg.trim())
			return refused(_('There is no command.'));

		return (question ? confirmed(title, question) : Promise.resolve(true)).then((yes) => {
			if (!yes)
				return;

			return api.runJob(msg, type, timeout, false).then(
				(job) => job.id == null ? refused(job.reason) : this.ran(job.id),
				(err) => refused(/ubus code 6/.test(err.message)
					? _('This device takes no jobs from the web (option web_jobs).')
					: api.reason(err)));
		});
	}
});
