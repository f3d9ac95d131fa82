/* The lab as a process: its page's address, its orders, and what the agent itself says over /ubus. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

const BINARY = process.env.SOCKETMAN_LAB ?? new URL('../../target/debug/socketman-lab', import.meta.url).pathname;

/* Longer than anything takes on a busy machine, ms. */
export const DEADLINE = 30_000;

const NOBODY = '0'.repeat(32);

export class Lab {
	/* Starts a lab, in which a heartbeat passes in 2 s unless another pace is asked for. */
	static async start(...args) {
		const lab = new Lab();

		lab.said = '';
		lab.process = spawn(BINARY, [ '--no-namespaces', ...(args.includes('--time-scale') ? args : [ '--time-scale', '30', ...args ]) ], { stdio: [ 'pipe', 'pipe', 'inherit' ] });
		lab.process.stdout.on('data', (data) => { lab.said += data; });

		try {
			await lab.begins();
		} catch (error) {
			/* Nobody else would end it, and it would keep this program alive. */
			lab.process.kill();
			throw error;
		}

		return lab;
	}

	async begins() {
		/* Whole lines: what is heard may end anywhere. */
		await this.hears(/^ {2}page {7}\S+\n/m);
		await this.hears(/^ {2}settings {3}\S+\n/m);
		this.page = new URL(this.said.match(/^ {2}page {7}(\S+)/m)[1]);
		this.settings = this.said.match(/^ {2}settings {3}(\S+)/m)[1];
		this.root = await this.login('root');
		await this.until((status) => status.mqtt.connected && status.health.verdict == 'ok');
	}

	/* The address with which a browser logs in as this user. */
	address(user, view = 'overview') {
		return `${this.page.origin}/?view=socketman/${view}#${user}:${this.password}`;
	}

	get password() {
		return this.page.hash.split(':')[1];
	}

	/* rpcd's uci, for the settings of the agent. */
	uci(method, args) {
		return this.call(this.root, 'uci', method, { config: 'socketman', section: 'main', ...args });
	}

	/* Waits until the lab has said this. */
	async hears(words, from = 0) {
		const end = Date.now() + DEADLINE;

		while (!words.test(this.said.slice(from))) {
			if (Date.now() > end || this.process.exitCode !== null)
				throw new Error(`the lab did not say ${words}:\n${this.said}`);

			await wait(20);
		}
	}

	/* Gives an order, and waits until the lab says that it is done. */
	async order(line, done) {
		const from = this.said.length;

		this.process.stdin.write(`${line}\n`);
		await this.hears(done, from);
	}

	/* One call over /ubus, as it comes: { result } or { error }. */
	async call(session, object, method, args = {}) {
		const response = await fetch(new URL('/ubus', this.page.origin), {
			method: 'POST',
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [ session, object, method, args ] })
		});

		return response.json();
	}

	async login(user) {
		const { result } = await this.call(NOBODY, 'session', 'login', { username: user, password: this.password });

		return result[1].ubus_rpc_session;
	}

	/* What a method of the agent answers; undefined while there is no agent. */
	async ask(method, args) {
		const { result } = await this.call(this.root, 'socketman', method, args);

		return result?.[1];
	}

	/* Asks until the agent's answer is as wanted. */
	async until(wanted, method = 'status', args = {}) {
		const end = Date.now() + DEADLINE;

		for (;;) {
			const answer = await this.ask(method, args);

			if (answer && wanted(answer))
				return answer;

			if (Date.now() > end)
				throw new Error(`${method} is not as wanted: ${JSON.stringify(answer)}`);

			await wait(50);
		}
	}

	async end() {
		if (this.process.exitCode === null) {
			this.process.kill('SIGTERM');
			await once(this.process, 'exit');
		}
	}
}
