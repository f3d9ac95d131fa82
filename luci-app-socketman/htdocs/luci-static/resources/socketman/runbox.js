'use strict';
'require baseclass';
'require ui';
'require socketman.rpc as api';

/* Types of a job: the name the agent knows, and what it is called here. */
const TYPES = [
	[ '', _('Command') ],
	[ 'reboot', _('Reboot') ],
	[ 'cancel', _('Cancel a job') ]
];

function refused(reason) {
	ui.addNotification(_('The job does not run'), E('p', [ reason ]), 'error');
}

function late() {
	ui.addNotification(_('Run a job'), E('p', [ _('The agent has not answered yet. If it takes the job, the list will show it.') ]), 'info');
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
		this.type = E('select', { 'class': 'cbi-input-select' },
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

	start() {
		const msg = this.msg.value;

		if (!msg.trim() && this.type.value != 'reboot')
			return refused(_('There is no command.'));

		return api.runJob(msg, this.type.value, parseInt(this.timeout.value, 10) || undefined, false).then(
			/* The next one need not wait for this one's end. */
			(job) => void (job.id == null ? refused(job.reason) : this.ran(job.id)),
			(err) => api.isLate(err) ? late() : refused(api.isRefused(err)
				? _('This device takes no jobs from the web (option web_jobs).')
				: api.reason(err)));
	}
});
