//! The router's files below a directory of their own: what /proc, /sys, /tmp and /etc would hold.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::lease;
use super::members::sample;
use super::netdev::{Netdev, WAN};
use super::objects::DHCP_FILE;
use super::world::{World, HOSTNAME, ROUTER_MAC};

const BOARD: &str = include_str!("../../../data/samples/system__board.json");

const OS_RELEASE: &str = "NAME=\"OpenWrt\"\nVERSION=\"24.10.2\"\nID=\"openwrt\"\n\
    ID_LIKE=\"lede openwrt\"\nPRETTY_NAME=\"OpenWrt 24.10.2\"\nVERSION_ID=\"24.10.2\"\n\
    BUILD_ID=\"r28739-d9340319c6\"\nOPENWRT_BOARD=\"mediatek/filogic\"\n\
    OPENWRT_ARCH=\"aarch64_cortex-a53\"\nOPENWRT_RELEASE=\"OpenWrt 24.10.2 r28739-d9340319c6\"\n";

const OPENWRT_RELEASE: &str = "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10.2'\n\
    DISTRIB_REVISION='r28739-d9340319c6'\nDISTRIB_TARGET='mediatek/filogic'\n\
    DISTRIB_ARCH='aarch64_cortex-a53'\n\
    DISTRIB_DESCRIPTION='OpenWrt 24.10.2 r28739-d9340319c6'\nDISTRIB_TAINTS=''\n";

/// Netifd's part, where there is a cable.
const NETWORK_FILE: &str = "config interface 'loopback'\n\toption device 'lo'\n\toption proto 'static'\n\t\
    list ipaddr '127.0.0.1/8'\n\nconfig device\n\toption name 'br-lan'\n\toption type 'bridge'\n\n\
    config interface 'lan'\n\toption device 'br-lan'\n\toption proto 'static'\n\t\
    list ipaddr '192.168.8.1/24'\n\nconfig interface 'wan'\n\toption device 'eth0'\n\toption proto 'dhcp'\n";

const FIREWALL_FILE: &str =
    "config zone\n\toption name 'wan'\n\tlist network 'wan'\n\toption input 'REJECT'\n";

/// The kernel's tables that tell of the namespace whoever reads them is in.
const KERNEL_TABLES: [&str; 5] = ["route", "ipv6_route", "if_inet6", "fib_trie", "rt6_stats"];

/// As the package installs it.
const SOCKETMAN_FILE: &str = include_str!("../../../../files/socketman.config");

/// The default route goes to 203.0.113.1, by the WAN device.
const ROUTES: &str =
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
    eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
    eth0\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
    br-lan\t0008A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
    br-guest\t0009A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
    br-iot\t001EA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

/// The tree; as long as this value if it is a temporary one.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// Contents of the lease file: dnsmasq rewrites it only when something changed.
    leases: String,
    /// The device at the cable is one of the kernel's, and so are routes and addresses.
    on_cable: bool,
    _temporary: Option<tempfile::TempDir>,
}

impl Tree {
    /// Plants it in a temporary directory.
    pub fn temporary(world: &World) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut tree = Self::at(dir.path(), world)?;
        tree._temporary = Some(dir);
        Ok(tree)
    }

    /// Plants it below `root`, which is made if it is missing.
    pub fn at(root: &Path, world: &World) -> io::Result<Self> {
        Self::booted(root, world, false)
    }

    /// Plants it for a boot: what is in /etc stays as it is, everything in RAM is new. `on_cable` says that
    /// the router stands in a network namespace.
    pub fn booted(root: &Path, world: &World, on_cable: bool) -> io::Result<Self> {
        let mut tree = Tree {
            root: root.to_owned(),
            leases: String::new(),
            on_cable,
            _temporary: None,
        };
        for volatile in ["tmp", "var", "proc", "sys"] {
            match fs::remove_dir_all(root.join(volatile)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        tree.plant(world)?;
        tree.refresh(world)?;
        Ok(tree)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file that survives a boot, if it is not there.
    fn install(&self, path: &str, text: &str) -> io::Result<()> {
        match self.root.join(path).symlink_metadata() {
            Ok(_) => Ok(()),
            Err(_) => self.write(path, text),
        }
    }

    fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    }

    /// Files that never change.
    fn plant(&self, world: &World) -> io::Result<()> {
        let board = sample(BOARD);
        let fact = |name: &str| board.get(name).and_then(|v| v.as_str()).unwrap_or_default();
        for (path, text) in [
            ("proc/sys/kernel/random/boot_id", world.boot_id.as_str()),
            ("proc/sys/kernel/hostname", HOSTNAME),
            ("proc/sys/kernel/osrelease", fact("kernel")),
            ("tmp/sysinfo/model", fact("model")),
            (
                "tmp/sysinfo/board_name",
                self.board_name().as_deref().unwrap_or(fact("board_name")),
            ),
        ] {
            self.write(path, &format!("{text}\n"))?;
        }
        for (path, text) in [
            ("etc/mac", &*format!("{ROUTER_MAC}\n")),
            ("etc/openwrt_version", "r28739-d9340319c6\n"),
            ("etc/os-release", OS_RELEASE),
            ("etc/openwrt_release", OPENWRT_RELEASE),
            ("etc/config/dhcp", DHCP_FILE),
            ("etc/config/socketman", SOCKETMAN_FILE),
        ] {
            self.install(path, text)?;
        }
        match self.on_cable {
            true => {
                self.install("etc/config/network", NETWORK_FILE)?;
                self.install("etc/config/firewall", FIREWALL_FILE)?;
                self.write("tmp/resolv.conf", "search lan\nnameserver 127.0.0.1\n")?;
                fs::create_dir_all(self.root.join("proc/net"))?;
                for table in KERNEL_TABLES {
                    let link = self.root.join("proc/net").join(table);
                    symlink(Path::new("/proc/net").join(table), link)?;
                }
            }
            false => self.write("proc/net/route", ROUTES)?,
        }
        for dir in ["etc/socketman", "var/run", "var/lock"] {
            fs::create_dir_all(self.root.join(dir))?;
        }
        world
            .devices
            .iter()
            .try_for_each(|dev| self.plant_device(dev))
    }

    /// The hardware, if /etc/board.json says which it is.
    fn board_name(&self) -> Option<String> {
        let text = fs::read(self.root.join("etc/board.json")).ok()?;
        let board: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some(board["model"]["id"].as_str()?.to_owned())
    }

    fn plant_device(&self, device: &Netdev) -> io::Result<()> {
        let sys = format!("sys/class/net/{}", device.name);
        if self.is_kernels(device) {
            fs::create_dir_all(self.root.join("sys/class/net"))?;
            return symlink(Path::new("/").join(&sys), self.root.join(sys));
        }
        let speed = device.shown("speed");
        let speed = speed.as_deref().map(|s| s.trim_end_matches(['F', 'H']));
        for (file, text) in [
            ("address", device.shown("macaddr").as_deref()),
            ("mtu", device.shown("mtu").as_deref()),
            ("carrier", device.shown("carrier").as_deref()),
            (
                "operstate",
                Some(if device.name == "lo" { "unknown" } else { "up" }),
            ),
            ("speed", speed),
        ] {
            if let Some(text) = text {
                self.write(&format!("{sys}/{file}"), &format!("{text}\n"))?;
            }
        }
        if device.name.starts_with("phy") {
            self.write(
                &format!("{sys}/phy80211/name"),
                &format!("{}\n", &device.name[..4]),
            )?;
        }
        Ok(())
    }

    fn is_kernels(&self, device: &Netdev) -> bool {
        self.on_cable && matches!(device.name.as_str(), WAN | "lo")
    }

    /// Brings what moves up to date.
    pub fn refresh(&mut self, world: &World) -> io::Result<()> {
        let uptime = world.uptime_ms() as f64 / 1000.0;
        self.write("proc/uptime", &format!("{uptime:.2} {:.2}\n", uptime * 1.8))?;
        let [one, five, fifteen] = world.load().map(|load| f64::from(load) / 65_536.0);
        self.write(
            "proc/loadavg",
            &format!("{one:.2} {five:.2} {fifteen:.2} 1/84 3120\n"),
        )?;
        let (total, free) = world.memory();
        self.write("proc/meminfo", &meminfo(total, free))?;
        self.write("proc/net/dev", &net_dev(world))?;
        self.write("proc/net/arp", &arp(world))?;
        let planted = world.devices.iter().filter(|dev| !self.is_kernels(dev));
        for device in planted {
            for (name, n) in &device.counters {
                if name.starts_with("rx_") || name.starts_with("tx_") {
                    let path = format!("sys/class/net/{}/statistics/{name}", device.name);
                    self.write(&path, &format!("{n}\n"))?;
                }
            }
        }
        self.write_leases(lease::file(&world.leases))
    }

    /// In place, as dnsmasq does it: over the old text, and cut off after the last line.
    fn write_leases(&mut self, text: String) -> io::Result<()> {
        if text == self.leases {
            return Ok(());
        }
        let path = self.root.join("tmp/dhcp.leases");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        self.leases = text;
        Ok(())
    }
}

fn meminfo(total: u64, free: u64) -> String {
    [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free + 47_185_920),
        ("Buffers", 8192),
        ("Cached", 72_351_744),
        ("Shmem", 1_372_160),
        ("SwapTotal", 0),
        ("SwapFree", 0),
    ]
    .map(|(name, bytes)| format!("{:<15} {:>8} kB\n", format!("{name}:"), bytes / 1024))
    .concat()
}

fn net_dev(world: &World) -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs \
         drop fifo colls carrier compressed\n",
    );
    for device in world.devices.iter() {
        let n = |name| device.counter(name);
        text += &format!(
            "{:>6}: {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}\n",
            device.name,
            n("rx_bytes"),
            n("rx_packets"),
            n("rx_errors"),
            n("rx_dropped"),
            n("rx_fifo_errors"),
            n("rx_frame_errors"),
            n("rx_compressed"),
            n("multicast"),
            n("tx_bytes"),
            n("tx_packets"),
            n("tx_errors"),
            n("tx_dropped"),
            n("tx_fifo_errors"),
            n("collisions"),
            n("tx_carrier_errors"),
            n("tx_compressed"),
        );
    }
    text
}

/// The stations that are there; whoever left is forgotten at once.
fn arp(world: &World) -> String {
    let mut text = String::from(
        "IP address       HW type     Flags       HW address            Mask     Device\n",
    );
    for (device, ip, mac) in std::iter::once((
        WAN,
        "203.0.113.1".to_owned(),
        "00:00:5e:00:01:01".to_owned(),
    ))
    .chain(
        world
            .stations
            .iter()
            .filter(|s| s.authorized)
            .filter_map(|s| world.lease(s.mac))
            .map(|lease| (lease.network.bridge(), lease.ip(), lease.mac.to_string())),
    ) {
        text += &format!("{ip:<16} 0x1         0x2         {mac}     *        {device}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_files_follow_the_world() {
        let mut world = World::new(5, 1, 1_751_450_000);
        let mut tree = Tree::temporary(&world).unwrap();
        let read = |tree: &Tree, path: &str| fs::read_to_string(tree.root().join(path)).unwrap();
        assert_eq!(read(&tree, "proc/uptime").split('.').next(), Some("356412"));
        assert_eq!(read(&tree, "etc/mac"), "94:83:c4:a1:b2:00\n");
        assert_eq!(read(&tree, "sys/class/net/eth0/carrier"), "1\n");
        assert_eq!(read(&tree, "sys/class/net/eth0/speed"), "2500\n");
        world.advance(Duration::from_secs(10));
        tree.refresh(&world).unwrap();
        assert_eq!(read(&tree, "proc/uptime").split('.').next(), Some("356422"));
        let rx = world.devices.get("eth0").unwrap().counter("rx_bytes");
        let file = read(&tree, "sys/class/net/eth0/statistics/rx_bytes");
        assert_eq!(file.trim().parse(), Ok(rx));
        assert!(read(&tree, "proc/net/dev").contains(&format!("eth0: {rx} ")));
    }

    #[test]
    fn a_shorter_lease_file_leaves_nothing_of_the_longer_one() {
        let mut world = World::new(5, 1, 1_751_450_000);
        let mut tree = Tree::temporary(&world).unwrap();
        world.leases.truncate(1);
        tree.refresh(&world).unwrap();
        let text = fs::read_to_string(tree.root().join("tmp/dhcp.leases")).unwrap();
        assert_eq!(text, lease::file(&world.leases));
    }
}
