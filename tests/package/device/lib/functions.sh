# shellcheck shell=dash
# A stand-in of OpenWrt's functions: what packages' scripts and init scripts call of them.

# config_load PACKAGE: what can be read of it.
config_load() {
	local text

	text=$(/sbin/uci -S -n export "$1") && eval "$text"
}

config() { CONFIG_SECTION=$2; }
option() { config_set "$CONFIG_SECTION" "$1" "$2"; }

# config_set SECTION OPTION VALUE
config_set() {
	eval "CONFIG_$1_$2=\$3"
}

# config_get VARIABLE SECTION OPTION DEFAULT
config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}"
}

# config_get_bool VARIABLE SECTION OPTION DEFAULT
config_get_bool() {
	local text

	config_get text "$2" "$3" "$4"
	case "$text" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=\$4" ;;
	esac
}

# files_of PACKAGE DIRECTORY: the files it has there.
files_of() {
	grep -s "^$2/" "/usr/lib/opkg/info/$1.list"
}

# Runs what a package brings for its installation: settings first, then its services.
default_postinst() {
	local package file

	package=$(basename "${1%.*}")
	for file in $(files_of "$package" /etc/uci-defaults); do
		# shellcheck disable=SC1090
		([ -f "$file" ] && cd /etc/uci-defaults && . "$file") && rm -f "$file"
	done
	# shellcheck disable=SC1090
	[ ! -f "/usr/lib/opkg/info/$package.postinst-pkg" ] ||
		(. "/usr/lib/opkg/info/$package.postinst-pkg")
	for file in $(files_of "$package" /etc/init.d); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
}

default_prerm() {
	local package file

	package=$(basename "${1%.*}")
	for file in $(files_of "$package" /etc/init.d); do
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
}
