//! Facts on the bus that were not asked for before.

use super::super::super::sources::question::Question::{
    Assoclist, ChannelUse, Clients, IwInfo, Radios, Status,
};
use super::super::samples::Router;
use super::super::stations::station;
use super::Case;

#[test]
fn peers_of_a_mesh_are_reported() {
    let report = Case::of("mesh-peers").report();
    let mesh = report.mesh.as_ref().unwrap();
    assert_eq!(mesh.len(), 1);
    let peer = &mesh[0];
    assert_eq!(peer.interface, "phy1-mesh0");
    assert_eq!(peer.mac.to_string(), "02:AA:00:00:00:71");
    assert_eq!(peer.signal, Some(-48));
    assert_eq!(peer.plink.as_deref(), Some("ESTAB"));
    assert_eq!(
        (peer.rx_bitrate, peer.tx_bitrate),
        (Some(1_080_600), Some(1_200_900))
    );
    assert_eq!(
        (peer.traffic.rx_bytes, peer.traffic.tx_bytes),
        (Some(812_345_678), Some(9_876_543_210))
    );
    assert_eq!(
        (peer.traffic.tx_retries, peer.traffic.tx_failed),
        (Some(20_511), Some(3))
    );
    assert_eq!(
        (peer.conn_time, peer.inactive_time),
        (Some(18_233), Some(40))
    );
    assert_eq!(peer.expected_tput, Some(612_000));
    // A peer is no station.
    let stations = report.stations.as_ref().unwrap();
    assert!(stations.iter().all(|of| of.mac != peer.mac));
}

#[test]
fn peers_of_an_ad_hoc_network_are_reported_and_a_mesh_without_peers_is_empty() {
    let info = |mode: &str| format!(r#"{{"phy":"phy0","ssid":"m","mode":"{mode}"}}"#);
    let peers = r#"{"results":[{"mac":"02:AA:00:00:00:72","signal":-70,"mesh plink":"","rx":{"rate":6000}}]}"#;
    let report = Case::bare()
        .reply(IwInfo("adhoc0".into()), &info("Ad-Hoc"))
        .reply(Assoclist("adhoc0".into()), peers)
        .report();
    let mesh = report.mesh.unwrap();
    assert_eq!(
        (mesh[0].signal, mesh[0].rx_bitrate),
        (Some(-70), Some(6000))
    );
    assert_eq!(mesh[0].plink, None);
    let alone = Case::bare()
        .reply(IwInfo("mesh0".into()), &info("Mesh Point"))
        .reply(Assoclist("mesh0".into()), r#"{"results":[]}"#)
        .report();
    assert_eq!(alone.mesh, Some(Vec::new()));
    assert_eq!(Router::v24_10().report().mesh, None);
}

#[test]
fn airtime_and_what_a_station_can_do_are_hostapds_word() {
    let report = Router::v24_10().report();
    let laptop = station(&report, "3C:22:FB:10:20:31");
    let airtime = laptop.airtime.unwrap();
    assert_eq!((airtime.rx, airtime.tx), (41_233, 305_118));
    assert_eq!(laptop.rrm, Some([115, 0, 16, 0, 4]));
    // Bit 19 of the extended capabilities.
    assert_eq!(laptop.wnm, Some(true));
    let joining = station(&report, "5E:0F:A3:22:81:C4");
    assert_eq!((joining.airtime, joining.wnm), (None, None));
}

#[test]
fn airtime_that_a_driver_does_not_count_is_absent() {
    let clients = r#"{"freq":2437,"clients":{
        "b8:27:eb:42:7f:90":{"authorized":true,"airtime":{"rx":0,"tx":0},"rrm":[1,2,3],"extended_capabilities":[4,0,1]},
        "b8:27:eb:42:7f:91":{"authorized":true,"airtime":{"rx":0,"tx":5000},"rrm":[0,0,0,0,0],"extended_capabilities":[0,0,8]}}}"#;
    let report = Case::bare()
        .reply(Clients("wlan0".into()), clients)
        .report();
    let first = station(&report, "B8:27:EB:42:7F:90");
    assert_eq!((first.airtime, first.rrm), (None, None));
    assert_eq!(first.wnm, Some(false));
    let second = station(&report, "B8:27:EB:42:7F:91");
    let airtime = second.airtime.unwrap();
    assert_eq!((airtime.rx, airtime.tx), (0, 5));
    assert_eq!(second.wnm, Some(true));
}

#[test]
fn radios_tell_how_busy_their_channels_are_and_whether_they_listen_for_radar() {
    let report = Router::v24_10().report();
    let radios = report.radios.unwrap();
    let shown = serde_json::to_string(&radios).unwrap();
    assert_eq!(
        shown,
        r#"[{"name":"radio0","band":"2g","channel":6,"airtime":{"utilization":108,"busy":151020551,"time":355997340}},{"name":"radio1","band":"5g","channel":36,"airtime":{"utilization":21,"busy":29145230,"time":355998112},"dfs":{"cac_active":false,"cac_seconds_left":0}}]"#
    );
    let listening = r#"{"status":"DFS","ssid":"x","freq":5500,"channel":100,"phy":"phy1",
        "airtime":{"time":5,"time_busy":9,"utilization":3},
        "dfs":{"cac_seconds":60,"cac_active":true,"cac_seconds_left":41}}"#;
    let report = Case::bare()
        .reply(Status("wlan1".into()), listening)
        .report();
    let radio = &report.radios.unwrap()[0];
    let dfs = radio.dfs.unwrap();
    assert_eq!((dfs.cac_active, dfs.cac_seconds_left), (true, 41));
    // Busier than it was measured.
    assert_eq!(radio.channel_use, None);
}

#[test]
fn without_hostapd_the_drivers_survey_tells_it() {
    let survey = super::super::samples::value("iwinfo__survey.phy0-ap0.json");
    let router = Router::v24_10()
        .without_hostapd()
        .with(ChannelUse("phy0-ap0".into()), survey);
    let radios = router.report().radios.unwrap();
    let airtime = radios[0].channel_use.unwrap();
    assert_eq!((airtime.busy, airtime.time), (151_020_551, 355_997_340));
    assert_eq!(airtime.utilization, None);
    assert_eq!(radios[1].channel_use, None);
}

#[test]
fn radios_of_an_old_configuration_are_listed_while_they_are_switched_off() {
    let radios = r#"{"radio0":{"config":{"hwmode":"11g"}},"radio1":{"config":{"hwmode":"11a"}},"mld0":{"config":{}}}"#;
    let report = Case::bare().reply(Radios, radios).report();
    let radios = report.radios.unwrap();
    let shown = radios.iter();
    let shown: Vec<_> = shown
        .map(|radio| (radio.name.as_str(), radio.band.as_deref()))
        .collect();
    assert_eq!(shown, [("radio0", Some("2g")), ("radio1", Some("5g"))]);
}
