//! A device and its world, each in a network namespace of its own.
//!
//! ```text
//!   device ── wan ═══ lan ── world: resolver 192.0.2.1, health.example 5.5.5.5, web.example 6.6.6.6
//! ```
//!
//! The resolver is Debian's dnsmasq, the device asks it with the C library by its own resolv.conf.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};
use socketman_lab::agent_process::AgentProgram;
use tempfile::TempDir;

use super::dns::NameServer;

/// Longest wait for the resolver and for a command.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where the health check connects to, and where the page is.
const HEALTH: &str = "5.5.5.5:853";
const WEB: &str = "6.6.6.6:80";
const API_AT: &str = "6.6.6.6:8080";

/// Nobody listens there.
pub(crate) const CLOSED: &str = "http://6.6.6.6:81/stats";

/// The API.
pub(crate) const API: &str = "http://6.6.6.6:8080/stats";

/// The web server answers 200 with a page to log in.
pub(crate) const LOGIN_PAGE: u16 = 1200;

/// It answers 200 with a page that leads elsewhere.
pub(crate) const REFRESHES: u16 = 1201;

/// A running site; gone when dropped.
pub(crate) struct Site {
    device: String,
    world: String,
    resolver: Option<Child>,
    /// A resolver that takes questions and never answers.
    upstream: Option<UdpSocket>,
    /// The answer of the web server, an HTTP status or [`LOGIN_PAGE`] or [`REFRESHES`].
    web: Arc<AtomicU16>,
    /// The delay of its answers, ms.
    web_delay: Arc<AtomicU16>,
    /// The answer of the API.
    api: Arc<AtomicU16>,
    dir: TempDir,
}

/// Opens a socket in a network namespace.
fn enter<T: Send + 'static>(name: &str, open: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = fs::File::open(Path::new("/run/netns").join(name)).unwrap();
    // A thread enters the namespace; its sockets stay there.
    let entered = std::thread::spawn(move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), network).unwrap();
        open()
    });
    entered.join().unwrap()
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
            web_delay: Arc::default(),
            api: Arc::new(AtomicU16::new(200)),
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

        site.accept(HEALTH);
        site.serve(WEB, &site.web, &site.web_delay);
        site.serve(API_AT, &site.api, &Arc::default());
        site
    }

    /// Accepts connections at an address of the world, which is all that is asked of the host there.
    pub(crate) fn accept(&self, address: &'static str) {
        let listener = self.listen(address);
        std::thread::spawn(move || listener.incoming().for_each(drop));
    }

    /// Answers requests at an address of the world as the web server does.
    pub(crate) fn serve_page(&self, address: &'static str) {
        self.serve(address, &self.web, &self.web_delay);
    }

    fn serve(&self, address: &'static str, status: &Arc<AtomicU16>, delay: &Arc<AtomicU16>) {
        let listener = self.listen(address);
        let (status, delay) = (Arc::clone(status), Arc::clone(delay));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (status, delay) = (Arc::clone(&status), Arc::clone(&delay));
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(delay.load(Ordering::SeqCst).into()));
                    // A client may be gone before it was served.
                    let _ = stream.and_then(|stream| serve(stream, status.load(Ordering::SeqCst)));
                });
            }
        });
    }

    /// The files that `ip netns exec` mounts over /etc.
    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.device)
    }

    /// A listener in the world.
    pub(crate) fn listen(&self, address: &'static str) -> TcpListener {
        self.in_world(move || TcpListener::bind(address).unwrap())
    }

    /// Opens a socket in the world.
    fn in_world<T: Send + 'static>(&self, open: impl FnOnce() -> T + Send + 'static) -> T {
        enter(&self.world, open)
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

    /// Has the web server take its time for each answer.
    pub(crate) fn web_takes(&self, ms: u16) {
        self.web_delay.store(ms, Ordering::SeqCst);
    }

    /// Sets the status the API answers with.
    pub(crate) fn api_answers(&self, status: u16) {
        self.api.store(status, Ordering::SeqCst);
    }

    /// Starts a name server in the world, of which the device has these addresses.
    pub(crate) fn name_server(&self, at: &[&'static str], names: &[(&str, &str)]) -> NameServer {
        let server = NameServer::new(names);
        for &at in at {
            let at: IpAddr = at.parse().unwrap();
            server.serve(self.in_world(move || UdpSocket::bind((at, 53)).unwrap()));
        }
        self.resolvers(at);
        server
    }

    /// Has `server` answer on the loopback of the device, too.
    pub(crate) fn name_server_of_the_device(&self, server: &NameServer) {
        let at = || UdpSocket::bind("127.0.0.1:53").unwrap();
        server.serve(enter(&self.device, at));
    }

    /// A socket in the world.
    pub(crate) fn socket(&self, at: &'static str) -> UdpSocket {
        self.in_world(move || UdpSocket::bind(at).unwrap())
    }

    /// Writes a file below /etc of the device.
    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.root().join("etc").join(name), text).unwrap();
    }

    /// The root of the agent.
    fn root(&self) -> PathBuf {
        let root = self.dir.path().join("root");
        match fs::create_dir(&root) {
            Ok(()) => {
                symlink("/proc", root.join("proc")).unwrap();
                symlink("/sys", root.join("sys")).unwrap();
                fs::create_dir(root.join("etc")).unwrap();
                symlink("/etc/resolv.conf", root.join("etc/resolv.conf")).unwrap();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
        root
    }

    /// Adds a second way out, `wan2` by 203.0.113.1, that counts less.
    pub(crate) fn second_wan(&self) {
        let (device, world) = (&self.device, &self.world);
        run(&format!(
            "ip link add wan2 netns {device} type veth peer name lan2 netns {world}"
        ));
        self.world_ip("addr add 203.0.113.1/24 dev lan2");
        self.world_ip("link set lan2 up");
        self.device_ip("addr add 203.0.113.2/24 dev wan2");
        self.device_ip("link set wan2 up");
        self.device_ip("route add default via 203.0.113.1 metric 20");
    }

    /// Gives the device these name servers. Its C library waits a second for each.
    pub(crate) fn resolvers(&self, at: &[&str]) {
        let lines = at.iter().map(|at| format!("nameserver {at}\n"));
        let text = lines.collect::<String>() + "options timeout:1 attempts:1\n";
        fs::write(self.etc().join("resolv.conf"), text).unwrap();
    }

    /// Restarts the resolver, so that `health.example` has this address and `web.example` its true
    /// one; every other name is refused.
    pub(crate) fn resolver(&mut self, health: &str) {
        let names = [("health.example", health), ("web.example", "6.6.6.6")];
        self.resolver_of(&names, None);
    }

    /// Restarts the resolver, so that `name` has this address and every other name waits for an
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

    /// An agent for the device.
    pub(crate) fn program(&self, binary: &Path, time_scale: u32) -> AgentProgram {
        let script = self.dir.path().join("agent");
        let (device, binary) = (&self.device, binary.display());
        let text = format!("#!/bin/sh\nexec ip netns exec {device} {binary} \"$@\"\n");
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        AgentProgram {
            root: self.root(),
            ..AgentProgram::below(self.dir.path(), script, time_scale).unwrap()
        }
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
    let head = loop {
        let end = asked.windows(4).position(|part| part == b"\r\n\r\n");
        if let Some(end) = end {
            break end + 4;
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => asked.extend_from_slice(&buffer[..count]),
        }
    };
    // What is not read takes the answer with it.
    let text = String::from_utf8_lossy(&asked[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    let rest = (head + length).saturating_sub(asked.len()) as u64;
    std::io::copy(&mut (&stream).take(rest), &mut std::io::sink())?;
    let page = |body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let answer = match status {
        204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        LOGIN_PAGE => page("<html><form action=/login></form></html>"),
        REFRESHES => page("<html><meta http-equiv=refresh content='0;url=http://192.0.2.1/login'></html>"),
        301..=399 => format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://192.0.2.1/login?mac=x\r\ncontent-length: 0\r\n\r\n"
        ),
        status => format!("HTTP/1.1 {status} As told\r\ncontent-length: 0\r\n\r\n"),
    };
    stream.write_all(answer.as_bytes())
}
