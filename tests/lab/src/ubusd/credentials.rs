//! Identity of a client: the kernel's credentials of the peer of a unix socket, with names.

use std::path::Path;
use std::{fs, io};

/// Most supplementary groups that count, as in ubusd.
const MAX_EXTRA_GROUPS: usize = 64;

/// The user and group a client runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// The name that services see as USER.
    pub user: String,
    /// The name that services see as GROUP.
    pub group: String,
    /// Supplementary groups; they count in access lists only.
    pub extra_gids: Vec<u32>,
}

impl Credentials {
    /// User and group 0, to whom everything is open.
    pub fn root() -> Self {
        Credentials {
            uid: 0,
            gid: 0,
            user: "root".to_owned(),
            group: "root".to_owned(),
            extra_gids: Vec::new(),
        }
    }

    /// Names `uid` and `gid` after /etc/passwd and /etc/group; `None` if one of them has no name
    /// there: ubusd does not take such a client.
    pub fn resolve(uid: u32, gid: u32, pid: Option<i32>) -> io::Result<Option<Self>> {
        let passwd = fs::read_to_string("/etc/passwd")?;
        let groups = fs::read_to_string("/etc/group")?;
        let (Some(user), Some(group)) = (name_of(&passwd, uid), name_of(&groups, gid)) else {
            return Ok(None);
        };
        Ok(Some(Credentials {
            uid,
            gid,
            user: user.to_owned(),
            group: group.to_owned(),
            extra_gids: pid.map(extra_gids).unwrap_or_default(),
        }))
    }
}

/// The name in the first line of a passwd or group file whose third field is `id`.
fn name_of(file: &str, id: u32) -> Option<&str> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse::<u32>().ok()?;
        (number == id && !name.is_empty()).then_some(name)
    })
}

/// The number behind a name in /etc/passwd; `None` if there is no such user.
pub(super) fn uid_of(user: &str) -> io::Result<Option<u32>> {
    id_of(Path::new("/etc/passwd"), user)
}

/// The number behind a name in /etc/group; `None` if there is no such group.
pub(super) fn gid_of(group: &str) -> io::Result<Option<u32>> {
    id_of(Path::new("/etc/group"), group)
}

fn id_of(file: &Path, name: &str) -> io::Result<Option<u32>> {
    Ok(fs::read_to_string(file)?.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name)
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    }))
}

/// Supplementary groups of a process; none if it is gone already.
fn extra_gids(pid: i32) -> Vec<u32> {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return Vec::new();
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
        .map_while(|gid| gid.parse().ok())
        .take(MAX_EXTRA_GROUPS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/ash\nnobody:*:65534:65534::/:/bin/false\n";

    #[test]
    fn a_name_is_found_by_its_number() {
        assert_eq!(name_of(PASSWD, 65534), Some("nobody"));
        assert_eq!(name_of(PASSWD, 0), Some("root"));
    }

    #[test]
    fn a_number_without_a_line_has_no_name() {
        assert_eq!(name_of(PASSWD, 1000), None);
        assert_eq!(name_of("broken\n:x:7:\n\n", 7), None);
    }
}
