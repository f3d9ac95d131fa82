//! A device and its world, each in a network namespace of its own.
//!
//! ```text
//!   device ── wan ═══ lan ── world: resolver 192.0.2.1, health.example 5.5.5.5, web.example 6.6.6.6
//! ```
//!
//! The resolver is Debian's dnsmasq, the device asks it with the C library by its own resolv.conf.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};
use socketman_lab::agent_process::AgentProgram;
use tempfile::TempDir;

/// Longest wait for the resolver and for a command.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where the health check connects to, and where the page is.
const HEALTH: &str = "5.5.5.5:853";
const WEB: &str = "6.6.6.6:80";

/// Nobody listens there.
pub(crate) const CLOSED: &str = "http://6.6.6.6:81/stats";

/// A running site; gone when dropped.
pub(crate) struct Site {
    device: String,
    world: String,
    resolver: Option<Child>,
    /// A resolver that takes questions and never answers.
    upstream: Option<UdpSocket>,
    /// What the web server answers with, an HTTP status.
    web: Arc<AtomicU16>,
    dir: TempDir,
}

/// Runs a command that has to succeed.
fn run(command: &str) {
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command}: {said} (these tests need root, ip and dnsmasq)"
    );
}

impl Site {
    /// Sets up a site on which everything is fine.
    pub(crate) fn new() -> Self {
        let id = std::process::id();
        let site = Site {
            device: format!("smd{id}"),
            world: format!("smw{id}"),
            resolver: None,
            upstream: None,
            web: Arc::new(AtomicU16::new(204)),
            dir: tempfile::tempdir().unwrap(),
        };
        let (device, world) = (&site.device, &site.world);
        for name in [device, world] {
            run(&format!("ip netns add {name}"));
            run(&format!("ip -n {name} link set lo up"));
        }
        run(&format!(
            "ip link add wan netns {device} type veth peer name lan netns {world}"
        ));
        run(&format!("ip -n {world} addr add 192.0.2.1/24 dev lan"));
        for address in [HEALTH, WEB] {
            let address = address.parse::<SocketAddr>().unwrap().ip();
            run(&format!("ip -n {world} addr add {address}/32 dev lo"));
        }
        run(&format!("ip -n {world} link set lan up"));
        // A gateway says so when there is no way on.
        run(&format!(
            "ip netns exec {world} sysctl -q -w net.ipv4.ip_forward=1"
        ));
        run(&format!("ip -n {device} addr add 192.0.2.2/24 dev wan"));
        run(&format!("ip -n {device} link set wan up"));
        site.device_ip("route add default via 192.0.2.1");
        let etc = site.etc();
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("resolv.conf"), "nameserver 192.0.2.1\n").unwrap();

        let health = site.listen(HEALTH);
        // It accepts, which is all that is asked of it.
        std::thread::spawn(move || health.incoming().for_each(drop));
        let (listener, web) = (site.listen(WEB), Arc::clone(&site.web));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may be gone before it was served.
                let _ = stream.and_then(|stream| serve(stream, web.load(Ordering::SeqCst)));
            }
        });
        site
    }

    /// What `ip netns exec` puts over /etc.
    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.device)
    }

    /// A listener in the world.
    pub(crate) fn listen(&self, address: &'static str) -> TcpListener {
        self.in_world(move || TcpListener::bind(address).unwrap())
    }

    /// Opens a socket in the world.
    fn in_world<T: Send + 'static>(&self, open: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = fs::File::open(Path::new("/run/netns").join(&self.world)).unwrap();
        // A thread enters the namespace; its sockets stay there.
        let entered = std::thread::spawn(move || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network).unwrap();
            open()
        });
        entered.join().unwrap()
    }

    /// Changes the network of the device, as `ip` does.
    pub(crate) fn device_ip(&self, change: &str) {
        run(&format!("ip -n {} {change}", self.device));
    }

    /// Changes the network of the world.
    pub(crate) fn world_ip(&self, change: &str) {
        run(&format!("ip -n {} {change}", self.world));
    }

    /// Sets the status the web server answers with.
    pub(crate) fn web_answers(&self, status: u16) {
        self.web.store(status, Ordering::SeqCst);
    }

    /// Starts the resolver anew, so that `health.example` has this address and `web.example` its true
    /// one; every other name is refused.
    pub(crate) fn resolver(&mut self, health: &str) {
        let names = [("health.example", health), ("web.example", "6.6.6.6")];
        self.resolver_of(&names, None);
    }

    /// Starts the resolver anew, so that `name` has this address and every other name waits for an
    /// upstream resolver that never answers. It is three name servers for the device, for each of which the
    /// C library waits.
    pub(crate) fn resolver_with_a_dead_upstream(&mut self, name: &str, address: &str) {
        let three = "nameserver 192.0.2.1\n".repeat(3);
        fs::write(self.etc().join("resolv.conf"), three).unwrap();
        let upstream = self.in_world(|| UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = upstream.local_addr().unwrap().port();
        self.resolver_of(&[(name, address)], Some(port));
        self.upstream = Some(upstream);
    }

    fn resolver_of(&mut self, names: &[(&str, &str)], upstream: Option<u16>) {
        self.no_resolver();
        let mut arguments = vec![
            "--keep-in-foreground".to_owned(),
            "--conf-file=/dev/null".to_owned(),
            "--no-resolv".to_owned(),
            "--no-hosts".to_owned(),
            "--user=root".to_owned(),
            "--pid-file=".to_owned(),
            "--bind-interfaces".to_owned(),
            "--listen-address=192.0.2.1".to_owned(),
        ];
        let known = names.iter();
        for (name, address) in known {
            arguments.push(format!("--address=/{name}/{address}"));
            // No other kind of address is asked for upstream.
            arguments.push(format!("--local=/{name}/"));
        }
        arguments.extend(upstream.map(|port| format!("--server=127.0.0.1#{port}")));
        let child = Command::new("ip")
            .args(["netns", "exec", &self.world, "dnsmasq"])
            .args(arguments)
            .stdin(Stdio::null())
            .spawn();
        self.resolver = Some(child.unwrap());
        let end = Instant::now() + DEADLINE;
        while !names
            .iter()
            .all(|(name, address)| self.resolves(name, address))
        {
            assert!(Instant::now() < end, "dnsmasq does not answer");
        }
    }

    fn resolves(&self, name: &str, address: &str) -> bool {
        let asked = Command::new("ip")
            .args(["netns", "exec", &self.device, "getent", "ahosts", name])
            .output()
            .unwrap();
        String::from_utf8_lossy(&asked.stdout).contains(address)
    }

    /// The resolver is gone: its port is closed.
    pub(crate) fn no_resolver(&mut self) {
        if let Some(mut child) = self.resolver.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The resolver stops in the middle of everything: it is there and says nothing.
    pub(crate) fn resolver_falls_silent(&self) {
        self.signal_resolver(Signal::STOP);
    }

    pub(crate) fn resolver_speaks_again(&self) {
        self.signal_resolver(Signal::CONT);
    }

    fn signal_resolver(&self, signal: Signal) {
        let child = self.resolver.as_ref().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// An agent for the device.
    pub(crate) fn program(&self, binary: &Path, time_scale: u32) -> AgentProgram {
        let root = self.dir.path().join("root");
        match fs::create_dir(&root) {
            Ok(()) => {
                symlink("/proc", root.join("proc")).unwrap();
                symlink("/sys", root.join("sys")).unwrap();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
        let script = self.dir.path().join("agent");
        let (device, binary) = (&self.device, binary.display());
        let text = format!("#!/bin/sh\nexec ip netns exec {device} {binary} \"$@\"\n");
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        let program = AgentProgram {
            binary: script,
            root,
            ubus_socket: self.dir.path().join("ubus.sock"),
            log: self.dir.path().join("agent.log"),
            clock: self.dir.path().join("clock"),
            time_scale,
            slow_sync: None,
        };
        program.set_clock(0, true).unwrap();
        program
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.no_resolver();
        for name in [&self.device, &self.world] {
            let gone = Command::new("ip").args(["netns", "del", name]).status();
            // A panic here would hide the one that led here.
            if !gone.is_ok_and(|status| status.success()) {
                eprintln!("network namespace {name} is left behind");
            }
        }
        if let Err(error) = fs::remove_dir_all(self.etc()) {
            eprintln!("{}: {error}", self.etc().display());
        }
    }
}

/// Answers one request.
fn serve(mut stream: TcpStream, status: u16) -> std::io::Result<()> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let (mut asked, mut buffer) = (Vec::new(), [0; 1024]);
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => asked.extend_from_slice(&buffer[..count]),
        }
    }
    let answer = match status {
        204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        status => format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://192.0.2.1/login?mac=x\r\ncontent-length: 0\r\n\r\n"
        ),
    };
    stream.write_all(answer.as_bytes())
}
