'use strict';
'require baseclass';

/*
 * Every option of the agent by its tab: [ name, kind, title, what holds unless it is set, datatype or
 * choices, help ]. Names are those of UCI. What each means in full stands in docs/options.md.
 */

const range = (min, max) => 'and(uinteger,range(%d,%d))'.format(min, max);

return baseclass.extend({
	TABS: [
		[ 'general', _('General'), [
			[ 'enabled', 'switch', _('Enabled'), '0', '', _('Run the agent.') ],
			[ 'mac', 'text', _('Identity'), '', 'mac', _('In topics and reports; found by itself if empty.') ],
			[ 'mac_file', 'path', _('File with the identity'), '/etc/mac' ],
			[ 'config', 'path', _('Settings file'), '/etc/socketman/config.json', '', _('Where settings come from that are not here.') ],
			[ 'state_dir', 'path', _('State directory'), '/etc/socketman/state' ],
			[ 'debug', 'flag', _('Log in detail'), '0' ]
		] ],
		[ 'broker', _('Broker'), [
			[ 'mqtt_host', 'text', _('Broker'), '', 'host', _('Empty: no MQTT.') ],
			[ 'port', 'text', _('Port'), _('1883, or 8883 with TLS'), 'port' ],
			[ 'username', 'text', _('User name') ],
			[ 'password', 'secret', _('Password') ],
			[ 'topic', 'text', _('Topic'), '', '', _('First part of the topics; no + and #.') ],
			[ 'key', 'secret', _('Key'), '', '', _('Second part of the topics; no +, # and /.') ],
			[ 'tls', 'flag', _('TLS'), '0', '', _('The certificate of the broker is verified.') ],
			[ 'cacrt', 'path', _('CA certificates'), '', '', _('Or its own (PEM).') ],
			[ 'tls_cert', 'path', _('Client certificate'), '', '', _('Needs its private key (PEM).') ],
			[ 'tls_key', 'secret', _('Private key'), '', 'path', _('File with the key of the client certificate (PEM).') ],
			[ 'qos', 'choice', _('QoS'), '0', [ '0', '1', '2' ], _('Of status and ping; jobs and results have 1.') ],
			[ 'status_retain', 'flag', _('Status is retained'), '0', '', _('One subscription shows the whole fleet.') ],
			[ 'keepalive', 'text', _('Keepalive, s'), '30', range(5, 3600) ],
			[ 'no_ping', 'flag', _('No presence message'), '0' ],
			[ 'ping_interval', 'text', _('Presence message every, s'), '180', range(30, 86400) ],
			[ 'disable_mqtt', 'flag', _('No MQTT'), '0' ]
		] ],
		[ 'server', _('Server'), [
			[ 'stats_url', 'url', _('Statistics URL'), '', '', _('Takes reports.') ],
			[ 'backup_stats_url', 'url', _('Backup statistics URL'), '', '', _('Used while the first fails.') ],
			[ 'api_url', 'url', _('API URL') ],
			[ 'rest', 'flag', _('Results over HTTP'), '0', '', _('Results of jobs and presence messages go to the API.') ],
			[ 'token', 'secret', _('Token') ],
			[ 'api_auth', 'choice', _('Token is sent'), 'query', [ 'query', 'bearer' ] ],
			[ 'insecure', 'flag', _('Do not verify the server'), '0', '', _('Whoever is on the path can then read and change everything.') ],
			[ 'upload_format', 'choice', _('Format'), 'multipart', [ 'multipart', 'ndjson' ] ],
			[ 'no_cache', 'flag', _('Keep nothing'), '0', '', _('Post each report at once. What is not accepted is lost.') ],
			[ 'spread', 'text', _('Spread, s'), '10', range(0, 600), _('The first attempt waits up to this long.') ]
		] ],
		[ 'reports', _('Reports'), [
			[ 'monitor', 'text', _('Collect every, s'), '15', range(15, 150) ],
			[ 'heartbeat', 'text', _('Deliver every, s'), _('60, at least 2 collections'), range(0, 300) ],
			[ 'scan', 'flag', _('Collect Wi-Fi'), '1' ],
			[ 'survey', 'flag', _('Look for other networks'), '0', '', _('Radios leave their channel for it.') ],
			[ 'survey_interval', 'text', _('Look for them every, s'), '3600', range(60, 86400) ],
			[ 'spool_dir', 'path', _('Queue'), '/var/run/socketman/spool', '', _('Directory in RAM.') ],
			[ 'spool_max', 'text', _('Size of the queue, bytes'), '1048576', range(16384, 268435456) ],
			[ 'archive_dir', 'path', _('Archive'), '', '', _('Directory on flash for long outages.') ],
			[ 'archive_max', 'text', _('Size of the archive, bytes'), '2097152', range(65536, 1073741824) ],
			[ 'archive_daily', 'text', _('Archive writes a day, bytes'), '1048576', range(65536, 1073741824) ]
		] ],
		[ 'health', _('Health'), [
			[ 'health_url', 'text', _('Host to reach'), 'one.one.one.one', '', _('Its name is resolved, its port connected to.') ],
			[ 'health_port', 'text', _('Port to reach'), '53', 'port' ],
			[ 'web_url', 'url', _('Web check'), 'http://connectivitycheck.gstatic.com/generate_204', '', _('204 is wanted, or 200 and a page that begins as below.') ],
			[ 'web_body', 'text', _('Page begins with') ]
		] ],
		[ 'recovery', _('Recovery'), [
			[ 'recover', 'choice', _('Recovery may'), 'full', [ 'full', 'interface', 'none' ], _('full: up to a reboot. interface: only the WAN interface.') ],
			[ 'reboot', 'text', _('Reboot after, s offline'), '600', range(0, 604800), _('0: never; 1 to 299 become 300.') ],
			[ 'rollback_timeout', 'text', _('A network job is undone after, s'), '120', range(30, 600), _('Unless the device is reached again by then.') ],
			[ 'boot_log', 'flag', _('Keep the log for the next boot'), '0', '', _('Its last lines may hold secrets of other programs. Needs the archive.') ]
		] ],
		[ 'contact', _('First contact'), [
			[ 'init_url', 'secret', _('Init server URL'), '', 'url', _('Asked for settings while there is neither user name nor password nor token.') ],
			[ 'init_token', 'secret', _('Token of the init server') ],
			[ 'boot_url', 'secret', _('URL called after a start'), '', 'url', _('Once after each start of the device, until it answers.') ],
			[ 'boot_cmd', 'secret', _('Command run after a start'), '', '', _('Once after each start of the device, as root.') ]
		] ],
		[ 'jobs', _('Jobs'), [
			[ 'web_jobs', 'flag', _('Jobs from this page'), '1', '', _('Never while there are public keys.') ],
			[ 'api_commands', 'flag', _('Commands in answers of the API'), '0', '', _('Never while there are public keys.') ],
			[ 'job_pubkey', 'list', _('Public keys'), '', '', _('With keys, only jobs signed with one of them run (Ed25519, base64).') ],
			[ 'job_timeout', 'text', _('Time a job has, s'), '300', range(1, 86400) ],
			[ 'job_output_max', 'text', _('Output kept of a job, bytes'), '65536', range(0, 1048576) ],
			[ 'job_workers', 'text', _('Jobs at once'), '2', range(1, 8) ]
		] ]
	]
});
