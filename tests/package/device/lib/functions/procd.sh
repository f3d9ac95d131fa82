# shellcheck shell=dash
# A stand-in of procd's shell functions: each call becomes a line of /tmp/procd.

record() {
	local word line=

	for word in "$@"; do
		line="$line${line:+ }'$word'"
	done
	echo "$line" >> /tmp/procd
}

procd_open_service() { record service "$1"; }
procd_close_service() { record end; }
procd_open_instance() { record instance; }
procd_close_instance() { record run; }
procd_set_param() { record "$@"; }
procd_add_reload_trigger() { record reload-when "$@"; }
procd_kill() { record stop "$1"; }
