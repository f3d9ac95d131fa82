//! Leases: those that odhcpd and rpcd tell, and those in the files of dnsmasq.

pub(crate) mod dnsmasq;
pub(crate) mod lease_file;
pub(crate) mod leases;
