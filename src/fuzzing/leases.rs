//! dnsmasq's lease file, with names that clients choose.

use super::data;
use crate::collect::Leases;

/// Seconds since the epoch at which the file is read.
const NOW: u64 = 1_751_450_000;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = data::contents("samples", "dhcp.leases");
    seeds.extend(data::contents("samples", "with-ipv6"));
    seeds.push(b"0 06-00:11:32:9c:4d:5e 10.0.0.1 caf\xe9 *\r\n\nduid 00:01\nagent-info x\n1751489120 1 ::1 x 00:01".to_vec());
    seeds
}

pub(super) fn run(input: &[u8]) {
    let leases = Leases::of_file(input, NOW);
    let lines = input.split_inclusive(|byte| *byte == b'\n').count();
    assert_eq!(leases.rows + leases.left_out, lines, "every line counts");
    assert!(leases.v4.len() + leases.v6.len() <= leases.rows);
    let mut text = String::new();
    for lease in &leases.v4 {
        assert!(lease.mac.is_individual());
        assert!(lease.expires.is_none_or(|end| end > NOW));
        let (end, mac, ip) = (lease.expires.unwrap_or(0), lease.mac, lease.ip);
        text += &format!("{end} {mac} {ip} {} *\n", name(&lease.name));
    }
    for lease in &leases.v6 {
        assert!(lease.mac.is_individual());
        let mac = lease.mac.to_string();
        // A DUID of the kind that is the hardware's address.
        let (ip, name) = (lease.ip, name(&lease.name));
        text += &format!("0 1 {ip} {name} 00:03:00:01:{mac}\n");
    }
    let again = Leases::of_file(text.as_bytes(), NOW);
    // But for names, of which a mark of odhcpd's is taken off once.
    let v4 = |leases: &Leases| -> Vec<_> {
        let rows = leases.v4.iter();
        rows.map(|lease| (lease.mac, lease.ip, lease.expires))
            .collect()
    };
    let v6 = |leases: &Leases| -> Vec<_> {
        leases
            .v6
            .iter()
            .map(|lease| (lease.mac, lease.ip))
            .collect()
    };
    assert_eq!(v4(&again), v4(&leases), "what is written reads back");
    assert_eq!(v6(&again), v6(&leases), "what is written reads back");
    // Bytes that a writer has not written yet change nothing before them.
    if let Some(end) = input.iter().rposition(|byte| *byte == b'\n') {
        let before = Leases::of_file(&input[..=end], NOW);
        assert!(leases.v4.starts_with(&before.v4) && leases.v6.starts_with(&before.v6));
    }
}

fn name(name: &Option<String>) -> &str {
    if let Some(name) = name {
        assert!(!name.is_empty() && name.chars().count() <= 256);
    }
    name.as_deref().unwrap_or("*")
}
