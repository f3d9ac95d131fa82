//! Health in a real network: namespaces, the C library's resolver, dnsmasq, and the agent as a process.

mod link_local;
mod lookups;
mod site;

use std::future::Future;
use std::time::Duration;

use serde_json::{json, Value};
use site::{Site, CLOSED};
use socketman::ubus::{self, blobmsg, Client, Events, Heard};
use socketman_lab::agent_binary;
use socketman_lab::agent_process::AgentProgram;
use socketman_lab::ubusd::{self, Credentials, Peers, Ubusd};
use tokio::time::{interval, timeout};

/// A probe of a dead network takes up to 16 s, and two have to agree.
const DEADLINE: Duration = Duration::from_secs(120);

/// A probe every 1.5 s, every second while offline.
const SCALE: u32 = 10;

async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, step).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}

/// The bus of an agent, and a client of it.
fn bus_of(program: &AgentProgram) -> (Ubusd, Client) {
    let options = ubusd::Options {
        peers: Peers::All(Credentials::root()),
        ..ubusd::Options::default()
    };
    let bus = Ubusd::start_with(&program.ubus_socket, options).unwrap();
    let (client, connection) = ubus::connect(&program.ubus_socket);
    tokio::spawn(connection.run());
    (bus, client)
}

async fn ask(client: &Client, method: &str) -> Result<Value, ubus::Error> {
    let within = Duration::from_secs(30);
    let replies = client.call_raw("socketman", method, Vec::new(), within);
    let replies = replies.await?;
    let reply = blobmsg::Value::from_members(replies.first().ok_or(ubus::Error::NoData)?)?;
    Ok(serde_json::to_value(reply).unwrap())
}

/// The next event of health.
async fn heard(events: &mut Events) -> Value {
    match within("an event", events.next()).await.unwrap() {
        Heard::Event { data, .. } => {
            let facts = blobmsg::Value::from_members(&data).unwrap();
            serde_json::to_value(facts).unwrap()
        }
        Heard::Lost { count } => panic!("{count} events lost"),
    }
}

/// Waits until health has this verdict, and returns it.
async fn verdict(client: &Client, wanted: &str) -> Value {
    let mut last = Value::Null;
    let mut looks = interval(Duration::from_millis(50));
    let asked = async {
        loop {
            looks.tick().await;
            // Before the agent is on the bus it cannot be asked.
            if let Ok(mut status) = ask(client, "status").await {
                last = status["health"].take();
                if last["verdict"] == wanted {
                    return;
                }
            }
        }
    };
    if timeout(DEADLINE, asked).await.is_err() {
        panic!("'{wanted}' was not found: {last:#}");
    }
    last
}

/// Waits for a probe that found this, and returns the health after it.
async fn probed(client: &Client, wanted: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let health = ask(client, "probe").await.unwrap();
            if wanted(&health["evidence"]["probe"]) {
                return health;
            }
        }
    };
    within("a probe that finds what was set up", asked).await
}

#[tokio::test]
async fn each_fault_of_a_real_network_gets_its_verdict_and_its_end_is_seen() {
    let binary = agent_binary::find().await.unwrap();
    let mut site = Site::new();
    site.resolver("5.5.5.5");
    let program = site.program(&binary, SCALE);
    let settings = |stats_url: &str| {
        json!({
            "mac": "02:00:00:00:00:01",
            "health_url": "health.example",
            "health_port": 853,
            "web_url": "http://web.example/check",
            "stats_url": stats_url,
        })
    };
    program.configure(&settings("")).unwrap();
    let (_bus, client) = bus_of(&program);
    let mut events = within("listening", client.listen("socketman.health"))
        .await
        .unwrap();
    let mut agent = program.start().unwrap();

    // All fine.
    let health = verdict(&client, "ok").await;
    assert_eq!(health["code"], 9, "{health:#}");
    let probe = &health["evidence"]["probe"];
    assert_eq!(probe["route"]["device"], "wan");
    assert_eq!(probe["route"]["gateway"], "192.0.2.1");
    assert_eq!(probe["lookup"]["addresses"], json!(["5.5.5.5"]));
    assert_eq!(probe["connect"]["to"], "5.5.5.5:853");
    assert_eq!(probe["web"]["status"], 204);
    let told = heard(&mut events).await;
    assert_eq!((&told["verdict"], &told["code"]), (&json!("ok"), &json!(9)));

    // A portal.
    site.web_answers(302);
    let health = verdict(&client, "captive_portal").await;
    assert_eq!(health["code"], 4, "{health:#}");
    assert_eq!(heard(&mut events).await["verdict"], "captive_portal");
    let web = &health["evidence"]["probe"]["web"];
    assert_eq!(web["location"], "http://192.0.2.1/login");
    site.web_answers(204);
    verdict(&client, "ok").await;

    // The resolver is silent, closed, alive again; and lies.
    site.resolver_falls_silent();
    let health = verdict(&client, "dns_dead").await;
    assert_eq!(health["code"], 1, "{health:#}");
    let asked = std::time::Instant::now();
    let reply = within("probe", ask(&client, "probe")).await.unwrap();
    assert_eq!(reply["verdict"], "dns_dead", "{reply:#}");
    assert!(asked.elapsed() < Duration::from_secs(30));
    site.resolver_speaks_again();
    verdict(&client, "ok").await;
    site.no_resolver();
    verdict(&client, "dns_dead").await;
    site.resolver("10.0.0.1");
    site.web_answers(302);
    verdict(&client, "dns_hijacked").await;
    site.web_answers(204);
    site.resolver("5.5.5.5");
    let health = verdict(&client, "ok").await;
    assert_eq!(health["evidence"]["proof"], Value::Null);

    // Names resolve, nothing beyond answers.
    site.world_ip("addr del 5.5.5.5/32 dev lo");
    site.world_ip("addr del 6.6.6.6/32 dev lo");
    let health = verdict(&client, "no_internet").await;
    assert_eq!(health["code"], 1, "{health:#}");
    site.world_ip("addr add 5.5.5.5/32 dev lo");
    site.world_ip("addr add 6.6.6.6/32 dev lo");
    verdict(&client, "ok").await;

    // Other ways out than a default route in the main table.
    site.device_ip("rule add from all lookup 10");
    site.device_ip("route add default via 192.0.2.1 table 10");
    site.device_ip("route del default");
    let health = probed(&client, |probe| probe["route"]["device"].is_null()).await;
    assert_eq!(health["verdict"], "ok", "{health:#}");
    assert_eq!(health["code"], 9, "{health:#}");
    assert_eq!(health["evidence"]["probe"]["route"]["found"], true);
    site.device_ip("route add 0.0.0.0/1 via 192.0.2.1");
    site.device_ip("route add 128.0.0.0/1 via 192.0.2.1");
    site.device_ip("route del default table 10");
    site.device_ip("rule del lookup 10");
    let health = probed(&client, |probe| probe["route"]["device"] == "wan").await;
    assert_eq!(health["verdict"], "ok", "{health:#}");
    assert_eq!(health["evidence"]["probe"]["route"]["gateway"], "192.0.2.1");
    // Not all of the world, but all that is asked for.
    site.device_ip("route del 128.0.0.0/1");
    let health = probed(&client, |probe| probe["route"]["found"] == false).await;
    assert_eq!(health["verdict"], "ok", "{health:#}");
    assert_eq!(health["code"], 9, "{health:#}");
    site.device_ip("route del 0.0.0.0/1");
    verdict(&client, "no_route").await;
    site.device_ip("route add default via 192.0.2.1");
    verdict(&client, "ok").await;

    // The route, the address, the link.
    site.device_ip("route del default");
    let health = verdict(&client, "no_route").await;
    assert_eq!(health["code"], 0, "{health:#}");
    assert_eq!(health["evidence"]["probe"]["route"]["device"], "wan");
    site.device_ip("-6 addr flush dev wan scope global");
    site.device_ip("addr del 192.0.2.2/24 dev wan");
    verdict(&client, "no_address").await;
    site.world_ip("link set lan down");
    verdict(&client, "no_carrier").await;
    site.world_ip("link set lan up");
    site.device_ip("addr add 192.0.2.2/24 dev wan");
    site.device_ip("route add default via 192.0.2.1");
    verdict(&client, "ok").await;
    assert!(agent.terminate(DEADLINE).await.unwrap().success());

    // The world is fine, the API is not.
    program.configure(&settings(CLOSED)).unwrap();
    let mut agent = program.start().unwrap();
    let health = verdict(&client, "server_unreachable").await;
    assert_eq!(health["code"], 9, "{health:#}");
    let why = health["evidence"]["server"].as_str().unwrap();
    assert!(
        why.starts_with("API: 6.6.6.6:81: cannot connect: "),
        "{why}"
    );
    assert!(agent.terminate(DEADLINE).await.unwrap().success());
}
