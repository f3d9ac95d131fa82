//! Health in a real network: namespaces, the C library's resolver, dnsmasq, and the agent as a process.

mod dns;
mod faults;
mod link_local;
mod lookups;
mod lost;
mod patient;
mod servers;
mod site;
mod ways;

use std::time::{Duration, Instant};

use serde_json::{json, Value};
use site::{Site, CLOSED};
use socketman_lab::agent_binary;
use socketman_lab::agent_process::AgentProgram;
use socketman_lab::ubusd::{self, Credentials, Peers, Ubusd};
use socketman_lab::within::{within, DEADLINE};
use tokio::time::{interval, timeout};
use ubus::{blobmsg, Client, Events, Heard};

/// A probe every 0.75 s, every half a second while offline.
const SCALE: u32 = 20;

/// The bus of an agent, and a client of it.
pub(crate) fn bus_of(program: &AgentProgram) -> (Ubusd, Client) {
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
    let start = Instant::now();
    if timeout(DEADLINE, asked).await.is_err() {
        panic!("'{wanted}' was not found: {last:#}");
    }
    println!("{wanted}: {:.1} s", start.elapsed().as_secs_f64());
    last
}

#[tokio::test]
async fn each_fault_of_a_real_network_gets_its_verdict_and_its_end_is_seen() {
    let binary = agent_binary::find().await.unwrap();
    let mut site = Site::new();
    site.resolver("5.5.5.5");
    site.resolvers(&["192.0.2.1"]);
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

    // The resolver is gone; another one lies.
    site.no_resolver();
    verdict(&client, "dns_dead").await;
    site.resolver("10.0.0.1");
    site.web_answers(302);
    verdict(&client, "dns_hijacked").await;
    site.web_answers(204);
    site.resolver("5.5.5.5");
    let health = verdict(&client, "ok").await;
    assert_eq!(health["evidence"]["proof"], Value::Null);

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
